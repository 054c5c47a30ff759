import {readdirSync} from 'node:fs';
import {homedir} from 'node:os';
import {delimiter, join} from 'node:path';
import {hasSharedLibrary} from '../shared-library.js';

/** The Vulkan loader, by the name that Dawn asks for. */
export const VULKAN_LOADER = 'libvulkan.so.1';

/**
 * Why Vulkan cannot serve here, or null where it may. Dawn finds out too, but prints it past everyone to stderr, which
 * a machine without a GPU should not see at every start.
 */
export function vulkanTrouble(env: NodeJS.ProcessEnv = process.env): string | null {
  if (!hasSharedLibrary(VULKAN_LOADER))
    return `there is no Vulkan loader (${VULKAN_LOADER}); Debian and Ubuntu have it in libvulkan1.`;
  if (vulkanDrivers(env).length > 0) return null;
  return 'no Vulkan driver is installed; it comes with the driver of the GPU, as a .json file in vulkan/icd.d.';
}

/** The manifests of drivers, where the loader looks for them (Vulkan loader, "Driver Discovery" on Linux). */
export function vulkanDrivers(env: NodeJS.ProcessEnv = process.env): string[] {
  const chosen = env.VK_DRIVER_FILES ?? env.VK_ICD_FILENAMES;
  if (chosen) return listed(chosen);
  const home = homedir();
  const folders = [
    env.XDG_CONFIG_HOME ?? join(home, '.config'),
    ...listed(env.XDG_CONFIG_DIRS ?? '/etc/xdg'),
    '/etc',
    env.XDG_DATA_HOME ?? join(home, '.local/share'),
    ...listed(env.XDG_DATA_DIRS ?? '/usr/local/share:/usr/share'),
  ];
  const found = folders.flatMap((folder) => manifests(join(folder, 'vulkan/icd.d')));
  return [...listed(env.VK_ADD_DRIVER_FILES ?? ''), ...found];
}

const listed = (paths: string): string[] => paths.split(delimiter).filter((path) => path !== '');

function manifests(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
}
