import {MathBackendCPU} from '@tensorflow/tfjs-backend-cpu';
import type {backend_util, DataType, TensorInfo} from '@tensorflow/tfjs-core';
import {EngineError} from '../../errors.js';
import type {Binding} from './calls.js';
import {Storage} from './storage.js';

/** Floats that are worth being copied into memory of our own. */
const LARGE = 1 << 14;

/** A tensor's key in a backend. */
type DataId = TensorInfo['dataId'];

/**
 * The tfjs backend of the native engine: tensors are JavaScript arrays as in tfjs's own CPU backend, whose kernels it
 * inherits, and the kernels that matter are the addon's.
 *
 * Memory that it allocates is used again once no tensor holds it, so it is never shared with anyone else: what is
 * read is a copy, and a kernel's result that is a view of such memory becomes a copy.
 */
export class NativeBackend extends MathBackendCPU {
  private readonly storage: Storage;

  constructor(readonly binding: Binding) {
    super();
    this.storage = new Storage((length) => allocate(binding, length), binding.sanitized());
  }

  /** A float32 tensor to be written by a kernel; what is in it is left over. */
  output(shape: number[]): TensorInfo {
    const values = this.storage.take(sizeOf(shape));
    return {dataId: super.write(values, shape, 'float32'), shape, dtype: 'float32'};
  }

  /** The same values in another shape, without a copy. */
  reshaped({dataId, dtype}: TensorInfo, shape: number[]): TensorInfo {
    this.incRef(dataId);
    return {dataId, shape, dtype};
  }

  /** A float32 tensor's memory. */
  floats({dataId}: TensorInfo): Float32Array {
    const {values} = this.data.get(dataId);
    if (!(values instanceof Float32Array)) throw new TypeError('the tensor is not float32');
    return values;
  }

  /** A float32 tensor's memory, to be updated in place: its own even where the tensor came from a caller's array. */
  floatsInPlace(info: TensorInfo): Float32Array {
    const values = this.floats(info);
    if (this.storage.owns(values)) return values;
    const own = this.copied(values);
    this.data.get(info.dataId).values = own;
    return own;
  }

  /** An int32 tensor's memory. */
  ints({dataId}: TensorInfo): Int32Array {
    const {values} = this.data.get(dataId);
    if (!(values instanceof Int32Array)) throw new TypeError('the tensor is not int32');
    return values;
  }

  /** Runs with memory to work in. */
  withScratch(length: number, run: (scratch: Float32Array) => void): void {
    const scratch = this.storage.take(length);
    try {
      run(scratch);
    } finally {
      this.storage.release(scratch);
    }
  }

  /** A kernel's result. Its values stay the array that the kernel made, which it may still be filling. */
  override makeTensorInfo(
    shape: number[],
    dtype: DataType,
    values?: backend_util.BackendValues | string[],
  ): TensorInfo {
    if (dtype === 'string') return super.makeTensorInfo(shape, dtype, values);
    const dataId = super.write(this.unshared(values as backend_util.BackendValues), shape, dtype);
    return {dataId, shape, dtype};
  }

  /** A tensor from a caller's values. */
  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    // Large values are copied here rather than where a kernel first updates them: a model's weights are then let go of
    // one by one as they are loaded.
    const own = values instanceof Float32Array && values.length >= LARGE;
    return super.write(own ? this.copied(values) : this.unshared(values), shape, dtype);
  }

  override move(
    dataId: DataId,
    values: backend_util.BackendValues,
    shape: number[],
    dtype: DataType,
    refCount: number,
  ): void {
    super.move(dataId, this.unshared(values), shape, dtype, refCount);
  }

  override readSync(dataId: DataId): backend_util.BackendValues {
    return this.unshared(super.readSync(dataId));
  }

  override disposeData(dataId: DataId, force = false): boolean {
    const values = this.data.has(dataId) ? this.data.get(dataId).values : undefined;
    const gone = super.disposeData(dataId, force);
    if (gone && this.storage.owns(values)) this.storage.release(values as Float32Array);
    return gone;
  }

  /** The same values in memory of the storage. */
  private copied(values: Float32Array): Float32Array {
    const own = this.storage.take(values.length);
    own.set(values);
    return own;
  }

  /** The same values, as a copy where they are in memory that will be used again. */
  private unshared(values: backend_util.BackendValues): backend_util.BackendValues {
    return this.storage.owns(values) ? (values as Float32Array).slice() : values;
  }
}

/** Floats that the addon allocates at most: Node 20 takes no more memory from outside. */
const MOST_OUTSIDE = 2 ** 30;
/** Floats that an array of JavaScript's holds at most. */
const MOST = 2 ** 32;

/** Memory; what is in it is left over. @throws EngineError naming the size and the limit, or where there is no more */
function allocate(binding: Binding, length: number): Float32Array {
  const size = `${length} numbers (${(length * 4) / 1e9} GB)`;
  if (length > MOST) {
    throw new EngineError(
      `engine native: a tensor of ${size} is above the limit of ${MOST}; take a smaller --batch-size or --seq-len.`,
    );
  }
  try {
    return length <= MOST_OUTSIDE ? binding.allocate({length}) : new Float32Array(length);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new EngineError(
      `engine native is out of memory: ${size} do not fit; take a smaller --batch-size or --seq-len, or --checkpoint-cycles.`,
      {cause: error},
    );
  }
}

/** Elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1);
