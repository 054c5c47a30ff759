import {EngineError} from '../../errors.js';

/** What needs less memory, for whoever is told that there is none. */
const NEEDS_LESS =
  'a smaller --batch-size or --seq-len needs less, and so does --checkpoint-cycles where a model is trained';

/**
 * What went wrong on a device. WebGPU tells it some time after the call, and whatever is computed meanwhile is
 * worthless: who reads from the device asks here first.
 */
export class DeviceHealth {
  private failure: EngineError | null = null;

  /** @param name - the adapter's, for messages */
  constructor(
    readonly device: GPUDevice,
    readonly name: string,
  ) {
    void device.lost.then(({reason, message}) => {
      if (reason !== 'destroyed') this.fail(`the device was lost: ${firstLine(message)}`);
      else this.fail('the device was closed');
    });
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      const {error} = event as GPUUncapturedErrorEvent;
      if (error instanceof GPUOutOfMemoryError) this.fail(`out of memory; ${NEEDS_LESS}`);
      else this.fail(`the device refused a call: ${firstLine(error.message)}`);
    });
  }

  /** @throws EngineError saying what went wrong, if anything has */
  check(): void {
    if (this.failure) throw this.failure;
  }

  /**
   * Creates a buffer. Where the device has no memory for it, `check` says so once that is known.
   * @param inUse - bytes that are, for the message
   * @throws EngineError for one that no device of its kind holds, and as `check`
   */
  createBuffer(descriptor: GPUBufferDescriptor, inUse: number): GPUBuffer {
    this.check();
    const {size} = descriptor;
    const most = largestTensor(this.device);
    if (size > most) {
      throw new EngineError(
        `${this.name} takes tensors of at most ${megabytes(most)}, and one has ${megabytes(size)}; ${NEEDS_LESS}.`,
      );
    }
    this.device.pushErrorScope('out-of-memory');
    const buffer = this.device.createBuffer(descriptor);
    void this.device.popErrorScope().then(
      (error) => {
        const asked = `no memory for ${megabytes(size)} more beside ${megabytes(inUse)} in use`;
        if (error) this.fail(`${asked}; ${NEEDS_LESS}`);
      },
      // A lost device, which says so itself.
      () => undefined,
    );
    return buffer;
  }

  /** The first failure counts: others follow from it. */
  private fail(why: string): void {
    this.failure ??= new EngineError(`engine webgpu (${this.name}): ${why}.`);
  }
}

/** The bytes of the largest tensor that a device takes: one is a buffer, and kernels see it whole. */
export const largestTensor = ({limits}: GPUDevice): number =>
  Math.min(limits.maxBufferSize, limits.maxStorageBufferBindingSize);

/** Bytes as a message tells them. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

/** Dawn's messages go on with the calls that led there. */
const firstLine = (message: string): string => (message.split('\n')[0] ?? '').replace(/\.$/, '');
