import {createRequire} from 'node:module';
import type {Environment} from './folder.js';
import type {Gpu} from './gpu.js';

/**
 * What TensorFlow is told through the environment, which it reads as it is loaded. What the user has set stays.
 *
 * - No log: it writes to stderr whatever it meets, and what matters comes back as an error. `DEBUG` lets it speak.
 * - No oneDNN: it rounds otherwise than the GPU and the other engines do, and announces itself in the log before the
 *   log can be turned off.
 * - GPU memory is taken as it is needed, not all of it at once.
 * - Products in float32 and not in TF32, whose 10 bits of mantissa the other engines do not have.
 * - One GPU, the first by nvidia-smi's numbers: the binding computes on one, and would take memory on each.
 */
export function tensorflowEnvironment(
  env: Environment,
  gpus: readonly Gpu[],
  threads: number | undefined,
): Record<string, string> {
  const wanted: Record<string, string> = {
    ...(env.DEBUG ? {} : {TF_CPP_MIN_LOG_LEVEL: '3'}),
    TF_ENABLE_ONEDNN_OPTS: '0',
    TF_FORCE_GPU_ALLOW_GROWTH: 'true',
    NVIDIA_TF32_OVERRIDE: '0',
    CUDA_DEVICE_ORDER: 'PCI_BUS_ID',
    ...(gpus.length > 1 && {CUDA_VISIBLE_DEVICES: '0'}),
  };
  const unset = Object.entries(wanted).filter(([name]) => env[name] === undefined);
  return {...Object.fromEntries(unset), ...(threads && {TF_NUM_INTRAOP_THREADS: String(threads)})};
}

/**
 * Supplies the functions of Node's `util` that tfjs-node still calls: Node 23 removed them, and Node 22 warns of them
 * on stderr.
 */
export function supplyRemovedUtil(): void {
  const util = createRequire(import.meta.url)('node:util') as Record<string, unknown>;
  util.isNullOrUndefined = (value: unknown) => value === null || value === undefined;
  util.isArray = Array.isArray;
}
