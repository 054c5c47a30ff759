import {execFileSync} from 'node:child_process';
import {mkdir} from 'node:fs/promises';

/**
 * A file system of its own, so small that it fills up.
 * @param size - as mount takes it: `5m`
 * @returns what unmounts it, or null where this user may not mount one
 */
export async function mountTmpfs(path: string, size: string): Promise<(() => void) | null> {
  await mkdir(path, {recursive: true});
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', path], {stdio: 'ignore'});
  } catch {
    return null;
  }
  return () => void execFileSync('umount', [path]);
}
