/** How much idle memory is kept, relative to the most that was ever in use at once. */
const MOST_IDLE = 1;

/**
 * Float32Arrays that are used again: a step of training asks for the same sizes as the step before it, and memory
 * that was touched before costs a third of fresh pages.
 */
export class Storage {
  private readonly idle = new Map<number, Float32Array[]>();
  private readonly owned = new WeakSet<ArrayBufferLike>();
  private idleElements = 0;
  private liveElements = 0;
  private mostLive = 0;

  constructor(private readonly allocate: (length: number) => Float32Array) {}

  /** An array of this length; what is in it is left over. */
  take(length: number): Float32Array {
    this.liveElements += length;
    this.mostLive = Math.max(this.mostLive, this.liveElements);
    const stack = this.idle.get(length);
    const array = stack?.pop();
    if (array) {
      this.idleElements -= length;
      return array;
    }
    this.makeRoom(length);
    const fresh = this.allocate(length);
    this.owned.add(fresh.buffer);
    return fresh;
  }

  /** Whether this memory is the storage's: then it may be given back, and must not be shared. */
  owns(values: unknown): boolean {
    return values instanceof Float32Array && this.owned.has(values.buffer);
  }

  /** Takes back an array that `take` gave. */
  release(array: Float32Array): void {
    this.liveElements -= array.length;
    this.idleElements += array.length;
    const stack = this.idle.get(array.length) ?? [];
    stack.push(array);
    // The sizes used last stand last, so that those of long ago are dropped first.
    this.idle.delete(array.length);
    this.idle.set(array.length, stack);
    this.makeRoom(0);
  }

  /** Drops idle arrays, of the sizes not used for longest, until idle and new memory are within bounds. */
  private makeRoom(length: number): void {
    for (const [size, stack] of this.idle) {
      while (stack.length > 0 && this.idleElements + length > MOST_IDLE * this.mostLive) {
        stack.pop();
        this.idleElements -= size;
      }
      if (stack.length === 0) this.idle.delete(size);
    }
  }
}
