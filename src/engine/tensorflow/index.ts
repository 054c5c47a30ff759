/** The tensorflow engine: tfjs-node's backend over libtensorflow, on a CUDA GPU or a CPU. */
import {availableParallelism} from 'node:os';
import {EngineError} from '../../errors.js';
import type {TensorflowBackend} from './backend.js';
import {supplyRemovedUtil, tensorflowEnvironment} from './environment.js';
import {gpuInUse, nvidiaGpus} from './gpu.js';
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

/** Its threads are set as it is loaded, once a process. */
let loadedThreads: number | undefined;
let loaded = false;

/**
 * Loads TensorFlow and registers its backend with tfjs.
 * @throws EngineError where it cannot be had, or was loaded with another number of threads
 */
export async function startTensorflow(threads: number | undefined): Promise<TensorflowStart> {
  if (loaded && threads !== undefined && threads !== loadedThreads) {
    throw new EngineError(
      `engine tensorflow has been loaded with ${loadedThreads ?? 'all'} threads; another number needs another process.`,
    );
  }
  const gpus = await nvidiaGpus();
  Object.assign(process.env, tensorflowEnvironment(process.env, gpus, threads));
  supplyRemovedUtil();
  const {backend, package: name} = await loadBackend();
  const gpu = backend.isUsingGpuDevice ? gpuInUse(gpus) : undefined;
  const device = backend.isUsingGpuDevice ? (gpu?.name ?? 'CUDA GPU') : 'the CPU';
  if (!loaded) {
    backend.binding = explainMemory(backend.binding, device, gpu?.memory);
    readWhatOthersHold(backend);
    registerFusedKernels(backend);
  }
  [loaded, loadedThreads] = [true, threads ?? loadedThreads];
  return {
    gpu: backend.isUsingGpuDevice ? device : null,
    version: `${backend.binding.TF_Version} (${name.slice(name.indexOf('/') + 1)})`,
    threads: loadedThreads ?? availableParallelism(),
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
