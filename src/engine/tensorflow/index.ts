/** The tensorflow engine: tfjs-node's backend over libtensorflow, on a CUDA GPU or a CPU. */
import {availableParallelism} from 'node:os';
import {EngineError} from '../../errors.js';
import type {TensorflowBackend} from './backend.js';
import {supplyRemovedUtil, tensorflowEnvironment} from './environment.js';
import {gpuInUse, nvidiaGpus, type Gpu} from './gpu.js';
import {registerFusedKernels} from './kernels/index.js';
import {loadBackend} from './load.js';
import {explainMemory} from './memory.js';

/** What `startTensorflow` found. */
export interface TensorflowStart {
  /** The GPU's name; null where it computes on the CPU. */
  gpu: string | null;
  /** libtensorflow's version and the npm package's. */
  version: string;
  threads: number;
}

/** How TensorFlow is to start. */
export interface TensorflowOptions {
  /** Of a CPU; as many as there are unless given. */
  threads?: number;
  /** Whether to load it only where the NVIDIA driver lists a GPU: that takes a second and some hundred megabytes. */
  onlyOnGpu?: boolean;
}

/** It is loaded once a process, and its threads are set then. */
let running: Promise<TensorflowStart> | undefined;

/**
 * Loads TensorFlow and registers its backend with tfjs.
 * @throws EngineError where it cannot be had, was loaded with another number of threads, or there is no GPU for it
 */
export async function startTensorflow({threads, onlyOnGpu}: TensorflowOptions): Promise<TensorflowStart> {
  const gpus = await nvidiaGpus();
  if (onlyOnGpu && gpus.length === 0) {
    throw new EngineError('engine tensorflow is not taken by itself: the NVIDIA driver lists no GPU.');
  }
  running ??= load(gpus, threads).catch((error: unknown) => {
    running = undefined;
    throw error;
  });
  const start = await running;
  if (threads !== undefined && threads !== start.threads) {
    throw new EngineError(
      `engine tensorflow has been loaded with ${start.threads} threads; another number needs another process.`,
    );
  }
  return start;
}

async function load(gpus: readonly Gpu[], threads: number | undefined): Promise<TensorflowStart> {
  Object.assign(process.env, tensorflowEnvironment(process.env, gpus, threads));
  supplyRemovedUtil();
  const {backend, package: name} = await loadBackend();
  const onGpu = backend.isUsingGpuDevice;
  const gpu = onGpu ? gpuInUse(gpus) : undefined;
  const device = onGpu ? (gpu?.name ?? 'CUDA GPU') : 'the CPU';
  backend.binding = explainMemory(backend.binding, device, gpu?.memory);
  readWhatOthersHold(backend);
  registerFusedKernels(backend);
  return {
    gpu: onGpu ? device : null,
    version: `${backend.binding.TF_Version} (${name.slice(name.indexOf('/') + 1)})`,
    threads: threads ?? availableParallelism(),
  };
}

/** tfjs-node reads only what it holds; what another engine holds is brought over first, as for an operation. */
function readWhatOthersHold(backend: TensorflowBackend): void {
  const readSync = backend.readSync.bind(backend);
  backend.readSync = (dataId) => {
    backend.tensorMap.get(dataId);
    return readSync(dataId);
  };
}
