/** Choosing and loading an engine: a tfjs backend, by name or by what works. */
import {EngineError, UsageError} from '../errors.js';
import {checkOptions} from '../options/index.js';
import {ENGINES, type EngineName} from './engine-names.js';
import {STARTERS, type EngineInfo, type StartOptions} from './engines.js';
import {THREADED_ENGINE_OPTIONS} from './options.js';
import type {PlannedTensor} from './webgpu/index.js';

export {ENGINES, type EngineName} from './engine-names.js';
export type {EngineInfo} from './engines.js';
export {
  ENGINE_KERNELS,
  type ActivationName,
  type Grouping,
  type KernelName,
  type Kernels,
  type Projected,
  type StrandScoreAttributes,
  type StrandView,
} from './contract.js';
export {availableMemory} from './memory.js';
export {hasSharedLibrary} from './shared-library.js';
export {VULKAN_LOADER, vulkanDrivers} from './webgpu/vulkan.js';
export {
  BUILT,
  nvidiaGpus,
  readRecord,
  tensorflowEnvironment,
  tensorflowFolder,
  thisMachine,
  type BuiltRecord,
  type Environment,
  type Gpu,
  type LibrarySource,
} from './tensorflow/facts.js';

/** What is to compute. */
export interface EngineChoice {
  /** An engine's name, or `auto` (default): a real GPU if one works, else native, else wasm. */
  engine?: string;
  /** The GPU for `webgpu`: a part of its name, or its place in the list, from 0; default: the first real one. */
  device?: string;
}

export interface EngineOptions extends EngineChoice {
  /** Threads for a CPU engine; default: as many as it can use. */
  threads?: number;
}

/** An engine in use. */
export interface Engine extends EngineInfo {
  /** One line: which engine was taken and why. */
  why: string;
}

/**
 * Whether an engine's results come later than its operations return, as a GPU's do: to read one is to wait, and who
 * need not know it yet had better not ask.
 */
export const computesLater = ({name, hardware}: EngineInfo): boolean =>
  name === 'webgpu' || hardware === 'gpu';

/** What `ztt engines` lists. */
export interface EngineStatus {
  name: EngineName;
  /** The engine, or null where it cannot run. */
  info: EngineInfo | null;
  /** Why it cannot run, and how to get it; null where it can. */
  reason: string | null;
}

/** Engines that are worth taking for a GPU alone. */
const FOR_GPUS: readonly EngineName[] = ['tensorflow', 'webgpu'];

const started = new Map<string, Promise<EngineInfo>>();

function start(name: EngineName, options: StartOptions): Promise<EngineInfo> {
  const {threads, device, onlyOnGpu} = options;
  const key = [name, threads, device, onlyOnGpu].join(' ');
  const running = started.get(key) ?? STARTERS[name](options);
  started.set(key, running);
  return running;
}

/**
 * Starts an engine and makes it tfjs's backend.
 * @throws UsageError for an unknown name or a wrong thread count, EngineError where it cannot run here.
 */
export async function useEngine(options: EngineOptions = {}): Promise<Engine> {
  const {threads, device} = options;
  checkOptions(THREADED_ENGINE_OPTIONS, options);
  const engine = engineAsked(options);
  const {info, why} =
    engine === 'auto'
      ? await choose(threads)
      : {info: await start(engine, {threads, device}), why: 'as asked'};
  await activate(info);
  const note = info.note ? `; ${info.note}` : '';
  return {...info, why: `engine ${info.name} (${info.device}): ${why}${note}`};
}

/** Makes a started engine tfjs's backend again, in case another model used another since. */
export async function activate(info: EngineInfo): Promise<void> {
  const tf = await import('@tensorflow/tfjs-core');
  if (tf.getBackend() !== info.backend) await tf.setBackend(info.backend);
  if (info.name === 'native') {
    const {setNativeThreads} = await import('./native/index.js');
    await setNativeThreads(info.threads);
  }
}

/**
 * Refuses what the engine in use cannot hold, before any of it is read. CPU engines hold what the machine does.
 * @throws EngineError naming the tensor, or the sum, and what the GPU takes
 */
export async function requireRoom({name}: EngineInfo, tensors: readonly PlannedTensor[]): Promise<void> {
  if (name !== 'webgpu') return;
  const {requireRoomOnGpu} = await import('./webgpu/index.js');
  await requireRoomOnGpu(tensors);
}

/** Every engine, with its device and version or the reason why it cannot run. */
export async function listEngines(): Promise<EngineStatus[]> {
  const statuses: EngineStatus[] = [];
  for (const name of ENGINES) {
    statuses.push(
      await start(name, {}).then(
        (info) => ({name, info, reason: null}),
        (error: Error) => ({name, info: null, reason: error.message}),
      ),
    );
  }
  return statuses;
}

/** The engine by its name; a device, which only webgpu can choose, is a choice of webgpu. */
function engineAsked({engine = 'auto', device}: EngineOptions): EngineName | 'auto' {
  const name = engine as EngineName | 'auto';
  if (device === undefined || name === 'webgpu') return name;
  if (name === 'auto') return 'webgpu';
  const hint = name === 'tensorflow' ? '; it takes the GPU that CUDA_VISIBLE_DEVICES names' : '';
  throw new UsageError(
    `engine ${name} takes no device (${JSON.stringify(device)}), only webgpu does${hint}.`,
  );
}

/** The first engine that runs; tensorflow and webgpu count only with a GPU, since on a CPU the others serve. */
async function choose(threads: number | undefined): Promise<{info: EngineInfo; why: string}> {
  const reasons = new Map<EngineName, string>();
  const skipped: string[] = [];
  for (const name of ENGINES.filter((engine) => engine !== 'cpu')) {
    try {
      const onlyOnGpu = FOR_GPUS.includes(name);
      const info = await start(name, {threads, onlyOnGpu});
      if (info.hardware === 'gpu' || !onlyOnGpu) {
        const why =
          skipped.length > 0 ? `the best that runs here, without ${skipped.join(', ')}` : 'the best';
        return {info, why: reasons.has('native') ? `${why}; ${withoutNative(reasons.get('native')!)}` : why};
      }
      skipped.push(name);
    } catch (error) {
      skipped.push(name);
      reasons.set(name, (error as Error).message);
    }
  }
  throw new EngineError(`no engine can run here. ${[...reasons.values()].join(' ')}`);
}

/** What it costs that the native engine does not run here. */
const withoutNative = (reason: string): string => `it trains at a fraction of native's speed. ${reason}`;
