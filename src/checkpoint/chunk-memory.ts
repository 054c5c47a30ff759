/** Bytes of one chunk: large enough for the disk, small beside any model. */
export const CHUNK_BYTES = 4 << 20;

/** Free buffers that are kept: more than a reader, a writer, a read ahead and two threads that hash hold. */
const MAX_FREE = 12;

const free: Buffer[] = [];
/** The memory that is in somebody's hands, and in how many. */
const holders = new WeakMap<ArrayBufferLike, number>();

/**
 * A buffer for one chunk, its content undefined, which threads see without a copy. Memory that the system gives anew is
 * paid for page by page: without `reuseChunk` that takes a quarter of a conversion's processor time.
 */
export function takeChunk(): Buffer {
  const buffer = free.pop() ?? Buffer.from(new SharedArrayBuffer(CHUNK_BYTES));
  holders.set(buffer.buffer, 1);
  return buffer;
}

/** Says that one more holds a chunk, who lets go of it by `reuseChunk` too. */
export function shareChunk(chunk: Uint8Array): void {
  const count = holders.get(chunk.buffer);
  if (count !== undefined) holders.set(chunk.buffer, count + 1);
}

/**
 * Lets a chunk's memory be used again, once all who hold it have said so. Nobody must: what is forgotten is collected,
 * and what did not come from `takeChunk` whole is left alone.
 */
export function reuseChunk(chunk: Uint8Array): void {
  const count = chunk.byteLength === CHUNK_BYTES ? holders.get(chunk.buffer) : undefined;
  if (count === undefined) return;
  if (count > 1) {
    holders.set(chunk.buffer, count - 1);
    return;
  }
  holders.delete(chunk.buffer);
  if (free.length < MAX_FREE) free.push(Buffer.from(chunk.buffer));
}
