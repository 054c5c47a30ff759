import {randomBytes} from 'node:crypto';
import {mkdir, open, readdir, rename, rm, rmdir} from 'node:fs/promises';
import {basename, dirname, join, resolve} from 'node:path';
import {FileError} from '../errors.js';

/** System errors of a write, in words. */
const WORDS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EACCES: 'permission denied',
  EROFS: 'the file system is read-only',
  ENOTDIR: 'a part of the path is no folder',
};

/**
 * Throws if a folder cannot become the output: it exists and holds something, or is a file.
 * Commands call it before they start long work.
 */
export async function requireFreeOutput(output: string): Promise<void> {
  const entries = await readdir(output).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return [];
    const why = WORDS[error.code ?? ''] ?? error.code;
    throw new FileError(`${output} cannot be the output folder: ${why}.`, {cause: error});
  });
  if (entries.length > 0) {
    throw new FileError(`${output} is not empty; name another output folder or remove this one.`);
  }
}

/**
 * Writes a folder all or nothing: `write` fills a folder beside the output, which is flushed to disk and
 * renamed when it returns, and removed if it throws.
 * @throws FileError if the output exists and is not empty.
 */
export async function writeFolder<T>(output: string, write: (stage: string) => Promise<T>): Promise<T> {
  await requireFreeOutput(output);
  const target = resolve(output);
  const stage = join(dirname(target), `.${basename(target)}.${randomBytes(4).toString('hex')}.partial`);
  let firstMade: string | undefined;
  try {
    firstMade = await mkdir(stage, {recursive: true});
    const result = await write(stage);
    await flush(stage);
    await rename(stage, target);
    await syncPath(dirname(target));
    return result;
  } catch (error) {
    await rm(stage, {recursive: true, force: true});
    await removeMade(dirname(stage), firstMade);
    throw asFileError(error, output);
  }
}

/** Removes the folders above a stage that were made for it, up to the first, as long as nothing is in them. */
async function removeMade(folder: string, firstMade: string | undefined): Promise<void> {
  if (firstMade === undefined || folder.length < firstMade.length) return;
  const removed = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (removed) await removeMade(dirname(folder), firstMade);
}

/** Replaces one file all or nothing: written beside, flushed, renamed. */
export async function writeFileWhole(path: string, data: string | Uint8Array): Promise<void> {
  const partial = join(dirname(path), `.${basename(path)}.${randomBytes(4).toString('hex')}.partial`);
  try {
    const handle = await open(partial, 'wx');
    try {
      await handle.writeFile(data);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(partial, path);
  } catch (error) {
    await rm(partial, {force: true});
    throw asFileError(error, path);
  }
}

/** Flushes every file of a folder, and the folder itself, to disk. */
async function flush(folder: string): Promise<void> {
  for (const entry of await readdir(folder, {withFileTypes: true})) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flush(path);
    else await syncPath(path);
  }
  await syncPath(folder);
}

async function syncPath(path: string): Promise<void> {
  const handle = await open(path, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** System errors of a write, in words; every other error as it is. */
export function asFileError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Error && code && Object.hasOwn(WORDS, code)) {
    return new FileError(`${path} cannot be written: ${WORDS[code]}.`, {cause: error});
  }
  return error;
}
