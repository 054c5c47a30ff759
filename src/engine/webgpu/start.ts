import * as tf from '@tensorflow/tfjs-core';
import {UsageError} from '../../errors.js';
import {chooseAdapter} from './adapters.js';
import {WebGpuBackend} from './backend.js';
import {loadDawn, type AdapterInfo, type Instance} from './dawn.js';
import {DeviceHealth} from './health.js';
import {registerFusedKernels} from './kernels/index.js';
import {fullLimits} from './limits.js';

/** The tfjs backend's name, which its kernels are registered under. */
export const BACKEND = 'webgpu';

/** What started. */
export interface WebGpuStart {
  /** The tfjs backend's name. */
  backend: string;
  /** The adapter's name and driver. */
  device: string;
  /** It computes on the processor, and is for tests. */
  software: boolean;
}

/** The one that runs: kernels are registered for a backend's name, so that a process has one GPU. */
let running: (WebGpuStart & {instance: Instance}) | null = null;

/**
 * Opens a GPU with all that it offers, and makes it tfjs's backend `webgpu`.
 * @param wanted - the adapter's place in the list, from 0, or a part of its name
 * @throws EngineError where no GPU can serve; UsageError for an adapter that is not there, or a second one
 */
export async function startWebGpu(wanted?: string): Promise<WebGpuStart> {
  if (running && wanted === undefined) return running;
  const dawn = await loadDawn();
  Object.assign(globalThis, dawn.globals);
  const {instance, adapter, description, software} = await chooseAdapter(dawn, wanted);
  if (running?.device === description) return running;
  if (running)
    throw new UsageError(
      `engine webgpu runs on ${running.device}; ${description} needs a process of its own.`,
    );
  const device = await adapter.requestDevice({requiredLimits: fullLimits(adapter)});
  const backend = createBackend(new DeviceHealth(device, description), adapter.info);
  tf.registerBackend(BACKEND, () => backend);
  registerFusedKernels(BACKEND);
  running = {backend: BACKEND, device: description, software, instance};
  return running;
}

/** tfjs wants to see `navigator.gpu` when it makes a backend. It would keep the process alive if it stayed. */
function createBackend(health: DeviceHealth, info: AdapterInfo): WebGpuBackend {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', {value: {gpu: true}, configurable: true});
  try {
    return new WebGpuBackend(health, info);
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
}
