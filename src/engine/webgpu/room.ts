import {EngineError} from '../../errors.js';
import {largestTensor, megabytes, type DeviceHealth} from './health.js';

/** A tensor that is to lie on a device. */
export interface PlannedTensor {
  name: string;
  bytes: number;
}

/** Memory is asked for in pieces of so many bytes: a device need not have all of it in one. */
const PIECE = 256e6;

/** Refuses tensors that are larger than a device takes. @throws EngineError naming the tensor */
export function requireFit({device, name}: DeviceHealth, tensors: readonly PlannedTensor[]): void {
  const most = largestTensor(device);
  const tooLarge = tensors.find(({bytes}) => bytes > most);
  if (!tooLarge) return;
  throw new EngineError(
    `${tooLarge.name} has ${megabytes(tooLarge.bytes)} in float32, and ${name} takes tensors of at most ${megabytes(most)}; --engine native takes any.`,
  );
}

/**
 * Refuses weights that a GPU has no memory for. WebGPU does not say how much there is: as much as they take is asked
 * for, and given back.
 * @throws EngineError with what they take
 */
export async function requireMemory(
  {device, name}: DeviceHealth,
  bytes: number,
  piece = PIECE,
): Promise<void> {
  const buffers: GPUBuffer[] = [];
  let error: GPUError | null = null;
  for (let left = bytes; left > 0 && !error; left -= piece) {
    const size = 4 * Math.ceil(Math.min(left, piece) / 4);
    device.pushErrorScope('out-of-memory');
    buffers.push(device.createBuffer({size, usage: GPUBufferUsage.STORAGE}));
    error = await device.popErrorScope();
  }
  for (const buffer of buffers) buffer.destroy();
  // What was destroyed is free once the queue has come by.
  await device.queue.onSubmittedWorkDone();
  if (!error) return;
  throw new EngineError(
    `the weights take ${megabytes(bytes)} in float32, and ${name} has not as much memory left; --engine native computes in the machine's own.`,
  );
}
