/** Tensors start at whole cache lines: this many floats. */
const LINE = 16;
/** Floats in a slab, at least: 64 MiB, of which the system gives only what is touched. */
const SLAB = 1 << 24;

/** A range of a slab, in floats. */
interface Block {
  start: number;
  size: number;
}

/** A piece of memory, and what of it is free: in order of place, neighbours joined. */
interface Slab {
  memory: Float32Array;
  free: Block[];
}

/**
 * Memory for tensors that is used again. A step of training asks for what the step before it asked for, and memory
 * that was touched before costs a third of fresh pages; what one size leaves free, other sizes take, so that
 * gradients lie where activations were.
 */
export class Storage {
  private readonly slabs = new Map<ArrayBufferLike, Slab>();

  /**
   * @param allocate - gives memory of at least a length; what is in it is left over
   * @param separate - give each tensor memory of its own, once: a sanitizer then sees a kernel leave its tensor
   */
  constructor(
    private readonly allocate: (length: number) => Float32Array,
    private readonly separate = false,
  ) {}

  /** An array of this length; what is in it is left over. */
  take(length: number): Float32Array {
    const size = this.separate ? length : rounded(length);
    const [slab, index] = this.bestFit(size) ?? this.addSlab(size);
    const block = slab.free[index]!;
    const {start} = block;
    if (block.size === size) slab.free.splice(index, 1);
    else slab.free[index] = {start: start + size, size: block.size - size};
    return slab.memory.subarray(start, start + length);
  }

  /** Whether this memory is the storage's: then it may be given back, and must not be shared. */
  owns(values: unknown): boolean {
    return values instanceof Float32Array && this.slabs.has(values.buffer);
  }

  /** Takes back an array that `take` gave. */
  release(array: Float32Array): void {
    const slab = this.slabs.get(array.buffer)!;
    if (this.separate) {
      this.slabs.delete(array.buffer);
      return;
    }
    const start = (array.byteOffset - slab.memory.byteOffset) / Float32Array.BYTES_PER_ELEMENT;
    const {free} = slab;
    const index = firstAfter(free, start);
    const [before, after] = [free[index - 1], free[index]];
    const joined = {start, size: rounded(array.length)};
    let from = index;
    if (before && before.start + before.size === start) {
      joined.start = before.start;
      joined.size += before.size;
      from--;
    }
    const joinsAfter = after?.start === joined.start + joined.size;
    if (joinsAfter) joined.size += after.size;
    free.splice(from, index - from + (joinsAfter ? 1 : 0), joined);
  }

  /** The smallest free block that this size fits in. */
  private bestFit(size: number): [Slab, number] | null {
    let best: [Slab, number] | null = null;
    let bestSize = Infinity;
    for (const slab of this.slabs.values()) {
      for (const [index, block] of slab.free.entries()) {
        if (block.size >= size && block.size < bestSize) [best, bestSize] = [[slab, index], block.size];
      }
    }
    return best;
  }

  private addSlab(size: number): [Slab, number] {
    const length = this.separate ? size : Math.max(size, SLAB);
    const memory = this.allocate(length);
    const slab = {memory, free: [{start: 0, size: length}]};
    this.slabs.set(memory.buffer, slab);
    return [slab, 0];
  }
}

/** An empty tensor takes a line too: no two tensors have the same place. */
const rounded = (length: number): number => Math.max(1, Math.ceil(length / LINE)) * LINE;

/** The index of the first block that starts after a place. */
function firstAfter(blocks: readonly Block[], start: number): number {
  let [low, high] = [0, blocks.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (blocks[middle]!.start < start) low = middle + 1;
    else high = middle;
  }
  return low;
}
