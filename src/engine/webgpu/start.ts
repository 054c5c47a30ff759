import * as tf from '@tensorflow/tfjs-core';
import {EngineError, UsageError} from '../../errors.js';
import {chooseAdapter, type ChosenAdapter} from './adapters.js';
import {WebGpuBackend} from './backend.js';
import {loadDawn} from './dawn.js';
import {DeviceHealth} from './health.js';
import {registerFusedKernels} from './kernels/index.js';
import {fullLimits} from './limits.js';
import {requireFit, requireMemory, type PlannedTensor} from './room.js';

/** The tfjs backend's name, which its kernels are registered under. */
const BACKEND = 'webgpu';

/** What started. */
export interface WebGpuStart {
  /** The tfjs backend's name. */
  backend: string;
  /** The adapter's name and driver. */
  device: string;
  /** It computes on the processor, and is for tests. */
  software: boolean;
}

/** The one that runs: a process has one GPU, since kernels are registered for a backend's name. */
let running: WebGpuStart | null = null;

/** Which GPU is to start. */
export interface WebGpuOptions {
  /** The adapter's place in the list, from 0, or a part of its name. */
  device?: string;
  /** Whether a software adapter will not do. */
  onlyOnGpu?: boolean;
}

/**
 * Opens a GPU with all that it offers, and makes it tfjs's backend `webgpu`.
 * @throws EngineError where no GPU can serve; UsageError for an adapter that is not there, or a second one
 */
export function startWebGpu(options: WebGpuOptions = {}): Promise<WebGpuStart> {
  const started = before.then(() => start(options));
  before = started.catch(() => undefined);
  return started;
}

/** Starts are one after another: the second finds what the first has opened. */
let before: Promise<unknown> = Promise.resolve();

async function start({device: wanted, onlyOnGpu}: WebGpuOptions): Promise<WebGpuStart> {
  if (running && wanted === undefined) return running;
  const chosen = await findAdapter(wanted);
  const {description: device, software} = chosen;
  if (running?.device === device) return running;
  if (software && onlyOnGpu) {
    throw new EngineError(`engine webgpu has no GPU here but a program that plays one: ${device}.`);
  }
  if (running) {
    throw new UsageError(`engine webgpu runs on ${running.device}; ${device} needs a process of its own.`);
  }
  const backend = await openBackend(chosen);
  // tfjs registers one of its own where the process has a navigator with a GPU.
  if (tf.findBackendFactory(BACKEND)) tf.removeBackend(BACKEND);
  tf.registerBackend(BACKEND, () => backend);
  registerFusedKernels(BACKEND);
  running = {backend: BACKEND, device, software};
  return running;
}

/** Refuses weights that the GPU in use has no room for. @throws EngineError naming the tensor, or the sum */
export async function requireRoomOnGpu(tensors: readonly PlannedTensor[]): Promise<void> {
  const {health, chosen} = tf.findBackend(BACKEND) as WebGpuBackend;
  health.check();
  requireFit(health, tensors);
  // A program that plays a GPU takes the machine's memory, and touches all that it is asked for.
  if (chosen.software) return;
  await requireMemory(
    health,
    tensors.reduce((sum, {bytes}) => sum + bytes, 0),
  );
}

/** Loads Dawn, whose classes and constants tfjs expects as globals, and takes an adapter; throws as `startWebGpu`. */
export async function findAdapter(wanted?: string): Promise<ChosenAdapter> {
  const dawn = await loadDawn();
  Object.assign(globalThis, dawn.globals);
  return chooseAdapter(dawn, wanted);
}

/** A backend on a device of its own. */
export async function openBackend(chosen: ChosenAdapter): Promise<WebGpuBackend> {
  const {adapter, description} = chosen;
  const device = await adapter.requestDevice({requiredLimits: fullLimits(adapter)});
  return createBackend(new DeviceHealth(device, description), chosen);
}

/** tfjs wants to see `navigator.gpu` when it makes a backend. It would keep the process alive if it stayed. */
function createBackend(health: DeviceHealth, chosen: ChosenAdapter): WebGpuBackend {
  const before = Object.getOwnPropertyDescriptor(globalThis, 'navigator');
  Object.defineProperty(globalThis, 'navigator', {value: {gpu: true}, configurable: true});
  try {
    return new WebGpuBackend(health, chosen);
  } finally {
    if (before) Object.defineProperty(globalThis, 'navigator', before);
    else Reflect.deleteProperty(globalThis, 'navigator');
  }
}
