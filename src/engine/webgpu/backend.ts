import {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {backend_util, DataType} from '@tensorflow/tfjs-core';
import type {ChosenAdapter} from './adapters.js';
import {BufferPool} from './buffer-pool.js';
import type {DeviceHealth} from './health.js';

/** Floats that are worth being sent by themselves. */
const LARGE = 1 << 14;

type Values = backend_util.BackendValues;

/**
 * tfjs's WebGPU backend, with memory that is bounded, and reads that never give what a device in trouble left. A tensor
 * that was read is not kept on the host: kernels that update in place would leave the copy behind.
 */
export class WebGpuBackend extends WebGPUBackend {
  /** @param chosen - the device's adapter, which lives as long: Dawn breaks down when it is collected before */
  constructor(
    readonly health: DeviceHealth,
    readonly chosen: ChosenAdapter,
  ) {
    super(health.device, chosen.adapter.info as unknown as GPUAdapterInfo);
    this.bufferManager = new BufferPool(health) as unknown as WebGPUBackend['bufferManager'];
  }

  /** Large values go to the device at once: a model's weights then leave the host one by one as they are loaded. */
  override write(values: Values, shape: number[], dtype: DataType): object {
    const dataId = super.write(values, shape, dtype);
    if (values instanceof Float32Array && values.length >= LARGE) {
      this.uploadToGPU(dataId);
      (this as unknown as Recorder).commandQueueOwnedIds.add(dataId);
      this.queue.submit([]);
    }
    return dataId;
  }

  /** @throws EngineError if the device is lost, out of memory, or refused something since the last read */
  override async read(dataId: object): Promise<Values> {
    const data = this.tensorMap.get(dataId) as Data;
    this.health.check();
    const onHost = Boolean(data.values);
    try {
      return await super.read(dataId);
    } finally {
      // What the device says of itself comes before what it answers, and counts for more.
      this.health.check();
      if (!onHost) data.values = null;
    }
  }

  /** @throws TypeError where the values are on the device: Node has no way to wait for them */
  override readSync(dataId: object): Values {
    const {values} = this.tensorMap.get(dataId) as Data;
    if (!values) throw new TypeError('a tensor on the GPU is read by data(), not by dataSync().');
    return values;
  }
}

/** What tfjs's types keep private: tensors that recorded commands need. */
interface Recorder {
  commandQueueOwnedIds: WeakSet<object>;
}

/** What tfjs's backend knows of a tensor, as far as it matters here. */
interface Data {
  /** What is on the host; there is none once a kernel has used or made the tensor. */
  values: Values | null | undefined;
}
