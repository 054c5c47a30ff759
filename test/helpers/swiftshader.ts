import {existsSync} from 'node:fs';
import {dirname, join} from 'node:path';

/** SwiftShader's driver manifest: a GPU that is a program. Debian's chromium has it; elsewhere the variable says where. */
const MANIFEST = process.env.ZTT_TEST_VULKAN_ICD ?? '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Whether the webgpu engine can be tested here. */
export const hasSwiftShader = process.platform === 'linux' && existsSync(MANIFEST);

/** What a test's name says where it is skipped. */
export const WITHOUT_SWIFTSHADER = hasSwiftShader
  ? ''
  : ' (skipped: no SwiftShader; chromium or ZTT_TEST_VULKAN_ICD brings it)';

/** What a process needs in its environment so that the webgpu engine finds SwiftShader and no other GPU. */
export const swiftShaderEnvironment = (): Record<string, string> => ({
  VK_DRIVER_FILES: MANIFEST,
  VK_ICD_FILENAMES: MANIFEST,
  LD_LIBRARY_PATH: [dirname(MANIFEST), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':'),
});

/** glibc's flags for a library that stays once it is loaded. */
const [RTLD_NOW, RTLD_NODELETE] = [2, 0x1000];

/** Makes this process find it. The Vulkan loader beside it, if there, is loaded by hand: no variable does that later. */
export function useSwiftShader(): void {
  Object.assign(process.env, swiftShaderEnvironment());
  const loader = join(dirname(MANIFEST), 'libvulkan.so.1');
  if (!existsSync(loader)) return;
  try {
    process.dlopen({exports: {}}, loader, RTLD_NOW | RTLD_NODELETE);
  } catch {
    // It is loaded, and no addon.
  }
}
