import {HubError} from '../../errors.js';
import {StalledError} from './network-trouble.js';

/** Milliseconds without a byte after which a connection is given up. */
export const STALL_MS = 30_000;

/** Fewer bytes than this in that time are none: a server could keep a process for ever with one now and then. */
const LEAST_BYTES = 1024;

/**
 * A response's body as it comes. Leaving the loop early closes the connection.
 * @throws StalledError if next to nothing came for `stallMs`; what fetch throws when the connection breaks
 */
export async function* bodyChunks(response: Response, stallMs: number): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let waiting = true;
  let stalled = false;
  let came = LEAST_BYTES;
  // One timer for all chunks; it counts only while the network is waited for, not what is done with a chunk.
  const timer = setTimeout(() => {
    // The consumer was at work: it is the next wait that counts.
    if (!waiting) return void (came = LEAST_BYTES);
    stalled = true;
    void reader.cancel().catch(() => {});
  }, stallMs);
  try {
    for (;;) {
      waiting = true;
      if (came >= LEAST_BYTES) {
        timer.refresh();
        came = 0;
      }
      const {done, value} = await reader.read();
      waiting = false;
      if (stalled) throw new StalledError(stallMs);
      if (done) return;
      came += value.byteLength;
      yield value;
    }
  } finally {
    clearTimeout(timer);
    await reader.cancel().catch(() => {});
  }
}

/**
 * A response's whole body.
 * @param maxBytes - more than this is refused, however long the body is
 * @throws HubError if it is longer; as `bodyChunks`
 */
export async function readBody(response: Response, maxBytes: number, stallMs: number): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyChunks(response, stallMs)) {
    length += chunk.byteLength;
    if (length > maxBytes) throw new HubError(`an answer has more than ${maxBytes} bytes; no Hub's has`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
