import {MathBackendCPU} from '@tensorflow/tfjs-backend-cpu';
import type {backend_util, DataType, TensorInfo} from '@tensorflow/tfjs-core';
import type {Binding} from './binding.js';
import {Storage} from './storage.js';

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
    this.storage = new Storage((length) => binding.allocate(length));
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
    const own = this.storage.take(values.length);
    own.set(values);
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

  override write(values: backend_util.BackendValues, shape: number[], dtype: DataType): DataId {
    return super.write(this.unshared(values), shape, dtype);
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

  /** The same values, as a copy where they are in memory that will be used again. */
  private unshared(values: backend_util.BackendValues): backend_util.BackendValues {
    return this.storage.owns(values) ? (values as Float32Array).slice() : values;
  }
}

/** Elements of a shape. */
export const sizeOf = (shape: readonly number[]): number => shape.reduce((size, n) => size * n, 1);
