import type {DeviceHealth} from './health.js';

/** Memory that is kept for later may make the whole this many times what was in use at most. */
const SLACK = 1.25;

/**
 * The device's buffers, by size and usage, for tfjs's backend in place of its own manager. That one keeps every buffer
 * that was ever let go of, so that evaluations, whose shapes vary, take more and more memory; here the oldest go.
 */
export class BufferPool {
  numBytesUsed = 0;
  numBytesAllocated = 0;
  /** The most that was in use at a time. */
  private peak = 0;
  /** What is free, by key, the latest last. */
  private readonly free = new Map<string, GPUBuffer[]>();
  /** The same, in the order in which it was let go of. */
  private readonly idle = new Set<GPUBuffer>();
  private readonly used = new Set<GPUBuffer>();

  constructor(private readonly health: DeviceHealth) {}

  /**
   * A buffer of exactly this size; what is in it is left over.
   * @throws EngineError for a device that failed, or a size that it cannot have
   */
  acquireBuffer(size: number, usage: GPUBufferUsageFlags, mappedAtCreation = false, reuse = true): GPUBuffer {
    const kept = reuse ? this.free.get(keyOf(size, usage))?.pop() : undefined;
    if (kept) this.idle.delete(kept);
    const buffer = kept ?? this.create(size, usage, mappedAtCreation);
    this.used.add(buffer);
    this.numBytesUsed += size;
    this.peak = Math.max(this.peak, this.numBytesUsed);
    return buffer;
  }

  /** Takes back a buffer; none that is mapped, nor one that a command yet to be submitted uses. */
  releaseBuffer(buffer: GPUBuffer, reuse = true): void {
    if (!this.used.delete(buffer)) return;
    this.numBytesUsed -= buffer.size;
    if (!reuse) {
      this.destroy(buffer);
      return;
    }
    const key = keyOf(buffer.size, buffer.usage);
    const others = this.free.get(key);
    if (others) others.push(buffer);
    else this.free.set(key, [buffer]);
    this.idle.add(buffer);
  }

  getNumUsedBuffers(): number {
    return this.used.size;
  }

  getNumFreeBuffers(): number {
    return this.idle.size;
  }

  dispose(): void {
    for (const buffer of [...this.used, ...this.idle]) buffer.destroy();
    this.used.clear();
    this.idle.clear();
    this.free.clear();
    [this.numBytesUsed, this.numBytesAllocated] = [0, 0];
  }

  private create(size: number, usage: GPUBufferUsageFlags, mappedAtCreation: boolean): GPUBuffer {
    const most = SLACK * Math.max(this.peak, this.numBytesUsed + size);
    for (const oldest of this.idle) {
      if (this.numBytesAllocated + size <= most) break;
      this.idle.delete(oldest);
      const others = this.free.get(keyOf(oldest.size, oldest.usage))!;
      others.splice(others.indexOf(oldest), 1);
      this.destroy(oldest);
    }
    const buffer = this.health.createBuffer({size, usage, mappedAtCreation}, this.numBytesAllocated);
    this.numBytesAllocated += size;
    return buffer;
  }

  private destroy(buffer: GPUBuffer): void {
    this.numBytesAllocated -= buffer.size;
    buffer.destroy();
  }
}

const keyOf = (size: number, usage: GPUBufferUsageFlags): string => `${size}_${usage}`;
