/** Bytes of one chunk: large enough for the disk, small beside any model. */
export const CHUNK_BYTES = 4 << 20;

/** Free buffers that are kept: more than a reader, a writer and a read ahead hold. */
const MAX_FREE = 8;

const free: Buffer[] = [];
/** The memory that is in somebody's hands. */
const lent = new WeakSet<ArrayBufferLike>();

/**
 * A buffer for one chunk, its content undefined. Memory that the system gives anew is paid for page by page: without
 * `reuseChunk` that takes a quarter of a conversion's processor time.
 */
export function takeChunk(): Buffer {
  const buffer = free.pop() ?? Buffer.allocUnsafeSlow(CHUNK_BYTES);
  lent.add(buffer.buffer);
  return buffer;
}

/**
 * Lets a chunk's memory be used again. Only who is the last to hold the chunk may say so, and nobody must: what is
 * forgotten is collected, and what did not come from `takeChunk` whole is left alone.
 */
export function reuseChunk(chunk: Uint8Array): void {
  if (chunk.byteLength !== CHUNK_BYTES || !lent.delete(chunk.buffer)) return;
  if (free.length < MAX_FREE) free.push(Buffer.from(chunk.buffer as ArrayBuffer));
}
