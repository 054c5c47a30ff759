import {existsSync} from 'node:fs';
import {delimiter, dirname, join} from 'node:path';
import {
  hasSharedLibrary,
  nvidiaGpus,
  readRecord,
  tensorflowFolder,
  VULKAN_LOADER,
  vulkanDrivers,
  type Environment,
  type Gpu,
} from '../../engine/index.js';
import type {ExaminedMachine, Finding} from '../finding.js';

/** The NVIDIA driver, CUDA's libraries for `tensorflow`, and Vulkan for `webgpu`; other systems than Linux bring theirs. */
export async function graphicsChecks({env}: ExaminedMachine): Promise<Finding[]> {
  if (process.platform !== 'linux') return [];
  const gpus = await nvidiaGpus(env);
  return [driver(gpus), await cuda(gpus, env), loader(), drivers(env)];
}

/** The file in which the driver's kernel module names its version. */
const MODULE = '/proc/driver/nvidia/version';

function driver(gpus: readonly Gpu[]): Finding {
  const check = 'NVIDIA driver';
  if (gpus.length > 0) {
    const names = gpus.map(({index, name, memory}) => `${index} ${name} (${(memory / 1e9).toFixed(0)} GB)`);
    return {check, verdict: 'ok', found: `${gpus[0]!.driver}: ${names.join(', ')}`};
  }
  if (existsSync(MODULE)) {
    const advice = `run nvidia-smi and see what it says; the driver's module is loaded (${MODULE}), so that a newer one may wait for a restart.`;
    return {check, verdict: 'warning', found: 'there, but nvidia-smi lists no GPU', advice};
  }
  const advice =
    "with an NVIDIA GPU, install its driver (nvidia-smi is then there); without one, ztt computes on the CPU or another maker's GPU.";
  return {check, verdict: 'warning', found: 'none', advice};
}

/** The libraries that TensorFlow loads: the folder under `nvidia` in pip's packages, and the file's name. */
const CUDA = {
  cuda_runtime: 'libcudart.so.12',
  cublas: 'libcublas.so.12',
  cudnn: 'libcudnn.so.9',
} as const;

async function cuda(gpus: readonly Gpu[], env: Environment): Promise<Finding> {
  const check = 'CUDA libraries';
  if (gpus.length === 0) return {check, verdict: 'ok', found: 'not needed: there is no NVIDIA GPU'};
  const folders = await cudaFolders(env);
  const missing = Object.entries(CUDA).filter(
    ([part, file]) =>
      !hasSharedLibrary(file) &&
      !folders.some((folder) =>
        [join(folder, file), join(folder, part, 'lib', file)].some((path) => existsSync(path)),
      ),
  );
  if (missing.length === 0) return {check, verdict: 'ok', found: Object.values(CUDA).join(', ')};
  const advice =
    '`pip install tensorflow[and-cuda]` brings them, and `ztt engines install tensorflow --from-pip PYTHON` finds them there; ' +
    'webgpu needs none of them.';
  return {
    check,
    verdict: 'warning',
    found: `${missing.map(([, file]) => file).join(', ')} not found`,
    advice,
  };
}

/** Folders that may have CUDA's libraries beside those that the system searches. */
async function cudaFolders(env: Environment): Promise<string[]> {
  const record = await readRecord(tensorflowFolder(env)).catch(() => null);
  const [library] = record?.libraries ?? [];
  return [
    ...(library === undefined ? [] : [join(dirname(library), '..', 'nvidia')]),
    ...(env.LD_LIBRARY_PATH ?? '').split(delimiter).filter((path) => path !== ''),
    join(env.CUDA_HOME ?? '/usr/local/cuda', 'lib64'),
  ];
}

function loader(): Finding {
  const check = 'Vulkan loader';
  if (hasSharedLibrary(VULKAN_LOADER)) return {check, verdict: 'ok', found: VULKAN_LOADER};
  const advice = `the webgpu engine needs ${VULKAN_LOADER}; on Debian and Ubuntu: apt install libvulkan1.`;
  return {check, verdict: 'warning', found: 'none', advice};
}

function drivers(env: Environment): Finding {
  const check = 'Vulkan drivers';
  const found = vulkanDrivers(env);
  const gone = found.filter((path) => !existsSync(path));
  if (gone.length > 0) {
    const advice =
      'mend VK_DRIVER_FILES, VK_ICD_FILENAMES or VK_ADD_DRIVER_FILES, which name what is not there.';
    return {check, verdict: 'warning', found: `${gone.join(', ')} missing`, advice};
  }
  if (found.length > 0) return {check, verdict: 'ok', found: found.join(', ')};
  const advice =
    "the webgpu engine needs the GPU's own: NVIDIA's comes with its driver, AMD's and Intel's with Mesa (apt install mesa-vulkan-drivers).";
  return {check, verdict: 'warning', found: 'none', advice};
}
