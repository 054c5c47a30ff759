import {HubError} from '../../errors.js';
import {StalledError} from './network-trouble.js';

/** Milliseconds without a byte after which a connection is given up. */
export const STALL_MS = 30_000;

/**
 * A response's body as it comes. Leaving the loop early closes the connection.
 * @throws StalledError if no byte came for `stallMs`; what fetch throws when the connection breaks
 */
export async function* bodyChunks(response: Response, stallMs: number): AsyncGenerator<Uint8Array> {
  if (!response.body) return;
  const reader = response.body.getReader();
  let waiting = true;
  let stalled = false;
  // One timer for all chunks; it counts only while the network is waited for, not what is done with a chunk.
  const timer = setTimeout(() => {
    if (!waiting) return;
    stalled = true;
    void reader.cancel().catch(() => {});
  }, stallMs);
  try {
    for (;;) {
      waiting = true;
      timer.refresh();
      const {done, value} = await reader.read();
      waiting = false;
      if (stalled) throw new StalledError(stallMs);
      if (done) return;
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
