import {reuseChunk} from './chunk-memory.js';

/**
 * Whether two streams give the same bytes, however each is cut into chunks. Both are read side by side; their chunks
 * are used up.
 * @param onBytes - called with the bytes that were compared; it may throw to stop
 */
export async function sameBytes(
  left: AsyncIterable<Uint8Array>,
  right: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void = () => undefined,
): Promise<boolean> {
  const streams = [new Stream(left), new Stream(right)] as const;
  const [a, b] = streams;
  try {
    for (;;) {
      const [more, moreOfOther] = await Promise.all([a.fill(), b.fill()]);
      if (!more || !moreOfOther) return more === moreOfOther;
      const bytes = Math.min(a.left, b.left);
      if (a.take(bytes).compare(b.take(bytes)) !== 0) return false;
      onBytes(bytes);
    }
  } finally {
    await Promise.all(streams.map((stream) => stream.end()));
  }
}

/** A stream of bytes, and how much of its last chunk was taken. */
class Stream {
  private readonly chunks: AsyncIterator<Uint8Array>;
  private chunk: Uint8Array = new Uint8Array();
  private taken = 0;

  constructor(chunks: AsyncIterable<Uint8Array>) {
    this.chunks = chunks[Symbol.asyncIterator]();
  }

  /** Bytes of the chunk that were not taken yet. */
  get left(): number {
    return this.chunk.byteLength - this.taken;
  }

  /** Has bytes to take, unless the stream is at its end. */
  async fill(): Promise<boolean> {
    while (this.left === 0) {
      reuseChunk(this.chunk);
      const next = await this.chunks.next();
      this.chunk = next.done ? new Uint8Array() : next.value;
      this.taken = 0;
      if (next.done) return false;
    }
    return true;
  }

  take(bytes: number): Buffer {
    const start = this.chunk.byteOffset + this.taken;
    this.taken += bytes;
    return Buffer.from(this.chunk.buffer, start, bytes);
  }

  async end(): Promise<void> {
    await this.chunks.return?.();
  }
}
