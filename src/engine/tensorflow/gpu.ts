import {execFile} from 'node:child_process';
import {promisify} from 'node:util';
import type {Environment} from './folder.js';

/** A GPU as NVIDIA's driver tells of it. */
export interface Gpu {
  index: number;
  name: string;
  /** Bytes. */
  memory: number;
  driver: string;
}

const MIB = 2 ** 20;

/** The GPUs that nvidia-smi lists; none where it is not there or fails. */
export async function nvidiaGpus(env: Environment = process.env): Promise<Gpu[]> {
  const query = ['--query-gpu=index,name,memory.total,driver_version', '--format=csv,noheader,nounits'];
  const {stdout} = await promisify(execFile)('nvidia-smi', query, {
    env: env,
    timeout: 20_000,
  }).catch(() => ({stdout: ''}));
  return stdout
    .split('\n')
    .map((line) => line.split(',').map((part) => part.trim()))
    .filter((parts) => parts.length === 4 && /^\d+$/.test(parts[0]!))
    .map(([index, name, memory, driver]) => ({
      index: Number(index),
      name: name!,
      memory: (Number(memory) || 0) * MIB,
      driver: driver!,
    }));
}

/** The GPU that the binding computes on: the last that CUDA shows it. Undefined if the list does not tell. */
export function gpuInUse(gpus: readonly Gpu[], env: Environment = process.env): Gpu | undefined {
  const visible = env.CUDA_VISIBLE_DEVICES;
  if (visible === undefined) return gpus.at(-1);
  const last = visible.split(',').at(-1)!.trim();
  return gpus.find(({index}) => String(index) === last);
}
