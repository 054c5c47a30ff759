import {createRequire} from 'node:module';
import {availableParallelism, cpus} from 'node:os';
import {EngineError} from '../errors.js';
import type {EngineName} from './engine-names.js';

/** An engine as it was found on this machine. */
export interface EngineInfo {
  name: EngineName;
  /** The tfjs backend's name. */
  backend: string;
  device: string;
  version: string;
  threads: number;
  /** What computes: a real GPU, or the processor, also where a program on it plays the GPU. */
  hardware: 'gpu' | 'cpu';
  /** What its user should know about this start: that it was built just now, say. */
  note?: string;
}

/** How an engine is to start. */
export interface StartOptions {
  /** Threads for a CPU engine. */
  threads?: number;
  /** The GPU, for an engine that can choose: a part of its name, or its place in the list, from 0. */
  device?: string;
  /** Whether it is only wanted with a GPU, so that it need not be loaded where there is none. */
  onlyOnGpu?: boolean;
}

/** How to bring up each engine. Throws EngineError where it cannot run here, UsageError for options that it cannot take. */
export const STARTERS: Record<EngineName, (options: StartOptions) => Promise<EngineInfo>> = {
  tensorflow: startTensorflowEngine,
  webgpu: startWebGpuEngine,
  native: startNativeEngine,
  wasm: startWasm,
  cpu: startCpu,
};

const require = createRequire(import.meta.url);

/** The version of an installed package. */
function packageVersion(name: string): string {
  return (require(`${name}/package.json`) as {version: string}).version;
}

function processor(): string {
  return `${cpus()[0]?.model.trim() ?? 'CPU'} (${availableParallelism()} cores)`;
}

/** tfjs, told not to advertise its native package on the console. */
async function loadTfjs() {
  const tf = await import('@tensorflow/tfjs-core');
  tf.enableProdMode();
  return tf;
}

/** tfjs's WebAssembly and JavaScript backends run on one thread under Node. */
function requireOneThread(name: EngineName, {threads}: StartOptions): void {
  if (threads !== undefined && threads !== 1) {
    throw new EngineError(
      `engine ${name} runs on one thread under Node; --threads ${threads} needs another engine.`,
    );
  }
}

async function startWasm(options: StartOptions): Promise<EngineInfo> {
  requireOneThread('wasm', options);
  const tf = await loadTfjs();
  await import('@tensorflow/tfjs-backend-wasm');
  const {installFastMatMul} = await import('./wasm-matmul.js');
  if (!(await tf.setBackend('wasm')))
    throw new EngineError('engine wasm cannot run: WebAssembly did not start.');
  installFastMatMul();
  const simd = await tf.env().getAsync('WASM_HAS_SIMD_SUPPORT');
  return {
    name: 'wasm',
    backend: 'wasm',
    device: `${processor()}, ${simd ? 'SIMD' : 'no SIMD'}`,
    version: packageVersion('@tensorflow/tfjs-backend-wasm'),
    threads: 1,
    hardware: 'cpu',
  };
}

async function startNativeEngine({threads}: StartOptions): Promise<EngineInfo> {
  await loadTfjs();
  const {startNative} = await import('./native/index.js');
  const native = await startNative();
  if (!native.ok) {
    const [reason] = native.reason.split('\n');
    throw new EngineError(
      `engine native cannot run: ${reason}; \`node native/build.mjs\` in ztt's folder shows all of it, and builds it once that is mended.`,
    );
  }
  return {
    name: 'native',
    backend: native.backend,
    device: `${processor()}, ${native.instructions}`,
    version: (require('../../package.json') as {version: string}).version,
    threads: threads ?? availableParallelism(),
    hardware: 'cpu',
    ...(native.built && {note: 'built just now with the C++ compiler that is here'}),
  };
}

async function startWebGpuEngine(options: StartOptions): Promise<EngineInfo> {
  await loadTfjs();
  const {startWebGpu} = await import('./webgpu/index.js');
  const started = await startWebGpu(options);
  return {
    name: 'webgpu',
    backend: started.backend,
    device: started.device,
    version: `${packageVersion('@tensorflow/tfjs-backend-webgpu')}, Dawn ${packageVersion('webgpu')}`,
    threads: 1,
    hardware: started.software ? 'cpu' : 'gpu',
    ...(started.software && {note: 'no GPU, but a program that plays one: slow, and meant for tests'}),
  };
}

async function startCpu(options: StartOptions): Promise<EngineInfo> {
  requireOneThread('cpu', options);
  await loadTfjs();
  await import('@tensorflow/tfjs-backend-cpu');
  return {
    name: 'cpu',
    backend: 'cpu',
    device: processor(),
    version: packageVersion('@tensorflow/tfjs-backend-cpu'),
    threads: 1,
    hardware: 'cpu',
  };
}

async function startTensorflowEngine({threads, onlyOnGpu}: StartOptions): Promise<EngineInfo> {
  await loadTfjs();
  const {startTensorflow} = await import('./tensorflow/index.js');
  const {gpu, version, threads: used} = await startTensorflow({threads, onlyOnGpu});
  return {
    name: 'tensorflow',
    backend: 'tensorflow',
    device: gpu ? `${gpu}, CUDA` : processor(),
    version,
    threads: used,
    hardware: gpu ? 'gpu' : 'cpu',
  };
}
