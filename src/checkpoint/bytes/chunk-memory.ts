/** Bytes of one chunk: large enough for the disk, small beside any model. */
export const CHUNK_BYTES = 4 << 20;

/** Free buffers of a kind that are kept: more than a reader, a writer, a read ahead and a thread that hashes hold. */
const MAX_FREE = 12;

/** Whether threads see a chunk's memory without a copy. */
export type ChunkKind = 'own' | 'shared';

const free: Record<ChunkKind, Buffer[]> = {own: [], shared: []};
/** Chunks of shared memory that there may still be. */
let sharedLeft = MAX_FREE;
/** The memory that is in somebody's hands, and in how many. */
const holders = new WeakMap<ArrayBufferLike, {kind: ChunkKind; count: number}>();

/**
 * A buffer for one chunk, its content undefined. Memory that the system gives anew is paid for page by page: without
 * `reuseChunk` that takes a quarter of a conversion's processor time.
 *
 * Shared memory weighs nothing in the engine's eyes, so what is forgotten of it may stay for long. There are only a few
 * such chunks: where they are all taken, or were forgotten, a chunk is of the other kind.
 */
export function takeChunk(kind: ChunkKind = 'own'): Buffer {
  const buffer = free[kind].pop() ?? allocate(kind);
  holders.set(buffer.buffer, {kind, count: 1});
  return buffer;
}

function allocate(kind: ChunkKind): Buffer {
  if (kind === 'own' || sharedLeft === 0) return Buffer.allocUnsafeSlow(CHUNK_BYTES);
  sharedLeft--;
  return Buffer.from(new SharedArrayBuffer(CHUNK_BYTES));
}

/** Says that one more holds a chunk, who lets go of it by `reuseChunk` too. */
export function shareChunk(chunk: Uint8Array): void {
  const held = holders.get(chunk.buffer);
  if (held) held.count++;
}

/**
 * Lets a chunk's memory be used again, once all who hold it have said so. Nobody must: what is forgotten is collected,
 * and what did not come from `takeChunk` whole is left alone.
 */
export function reuseChunk(chunk: Uint8Array): void {
  const held = chunk.byteLength === CHUNK_BYTES ? holders.get(chunk.buffer) : undefined;
  if (!held || --held.count > 0) return;
  holders.delete(chunk.buffer);
  if (free[held.kind].length < MAX_FREE) free[held.kind].push(Buffer.from(chunk.buffer));
}
