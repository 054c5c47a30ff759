import {copyFile, mkdir, open, readdir, rename, rm, rmdir, utimes, type FileHandle} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {FileError} from '../errors.js';
import {readText} from './json.js';
import {exists} from './exists.js';
import {keepAlive} from './heartbeat.js';
import {asFileError, checkOutput, resolveOutput, type OutputOptions} from './output-folder.js';
import {besides, clearAbandoned} from './partial.js';

/**
 * Throws if a folder cannot become the output: it holds something that may not be replaced, or is a file. Commands
 * call it before they start long work. What a killed process left of this output is tidied up first.
 * @returns the folder's path with links followed
 * @throws FileError
 */
export async function requireFreeOutput(output: string, options?: OutputOptions): Promise<string> {
  const target = await resolveOutput(output);
  await clearAbandoned(dirname(target), basename(target));
  await checkOutput(output, target, options);
  return target;
}

/**
 * Writes a folder all or nothing: `write` fills a folder beside the output, which is flushed to disk and
 * renamed when it returns, and removed if it throws. A model that is replaced stays in its place until then.
 * @throws FileError if the output cannot be written or replaced
 */
export async function writeFolder<T>(
  output: string,
  write: (stage: string) => Promise<T>,
  options?: OutputOptions,
): Promise<T> {
  const target = await requireFreeOutput(output, options);
  return placeFolder(output, target, write, () => checkOutput(output, target, options));
}

/**
 * Writes a folder that is ztt's own all or nothing, as `writeFolder`: whatever lies there is replaced.
 * @throws FileError if it cannot be written or replaced
 */
export async function writeOwnFolder<T>(folder: string, write: (stage: string) => Promise<T>): Promise<T> {
  await clearAbandoned(dirname(folder), basename(folder));
  return placeFolder(folder, folder, write, () => Promise.resolve());
}

async function placeFolder<T>(
  output: string,
  target: string,
  write: (stage: string) => Promise<T>,
  checkAgain: () => Promise<void>,
): Promise<T> {
  const stage = besides(target, 'partial');
  let firstMade: string | undefined;
  let release = () => {};
  try {
    firstMade = await mkdir(stage, {recursive: true});
    release = keepAlive(stage);
    const result = await write(stage);
    await flushFolder(stage);
    await checkAgain();
    if (await exists(target)) await replace(target, stage);
    else await rename(stage, target);
    await syncPath(dirname(target));
    return result;
  } catch (error) {
    await rm(stage, {recursive: true, force: true});
    await removeMade(dirname(stage), firstMade);
    throw asFileError(error, output);
  } finally {
    release();
  }
}

/** Puts a new folder in the place of an old one, which is removed last: a kill in between loses neither. */
async function replace(target: string, stage: string): Promise<void> {
  const old = besides(target, 'replaced');
  // Its age is what others tell a living process by.
  const now = new Date();
  await utimes(target, now, now);
  await rename(target, old);
  try {
    await rename(stage, target);
  } catch (error) {
    await rename(old, target);
    throw error;
  }
  await syncPath(dirname(target));
  await rm(old, {recursive: true}).catch((error: NodeJS.ErrnoException) => {
    throw new FileError(
      `${target} is written, but what it replaced could not be removed from ${old}: ${error.code}.`,
      {
        cause: error,
      },
    );
  });
}

/** Removes folders that were made for something that is gone, up to the first, as long as nothing is in them. */
export async function removeMade(folder: string, firstMade: string | undefined): Promise<void> {
  if (firstMade === undefined || folder.length < firstMade.length) return;
  const removed = await rmdir(folder).then(
    () => true,
    () => false,
  );
  if (removed) await removeMade(dirname(folder), firstMade);
}

/**
 * Puts files into a folder, as texts by name: those that are not so already, each whole or not at all.
 * @returns the names of those that were written
 */
export async function writeFilesWhole(folder: string, files: ReadonlyMap<string, string>): Promise<string[]> {
  const written: string[] = [];
  for (const [name, text] of files) {
    const path = join(folder, name);
    if ((await exists(path)) && (await readText(path)) === text) continue;
    await writeFileWhole(path, text);
    written.push(name);
  }
  return written;
}

/** Replaces one file all or nothing: written beside, flushed, renamed. */
export const writeFileWhole = (path: string, data: string | Uint8Array): Promise<void> =>
  replaceFileWhole(path, 'wx', (handle) => handle.writeFile(data));

/**
 * Changes parts of a file all or nothing: a copy beside it is changed, flushed, and takes its place.
 * @param change - is given the copy, open for reading and writing
 */
export const changeFileWhole = (
  path: string,
  change: (copy: FileHandle) => Promise<unknown>,
): Promise<void> => replaceFileWhole(path, 'r+', change, (partial) => copyFile(path, partial));

/** Makes a file beside another and lets it take the other's place. @param prepare - comes before it is opened */
async function replaceFileWhole(
  path: string,
  flags: 'wx' | 'r+',
  fill: (handle: FileHandle) => Promise<unknown>,
  prepare?: (partial: string) => Promise<void>,
): Promise<void> {
  await clearAbandoned(dirname(path), basename(path));
  const partial = besides(path, 'partial');
  try {
    await prepare?.(partial);
    const handle = await open(partial, flags);
    try {
      await fill(handle);
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

/**
 * Flushes every file of a folder, and the folder itself, to disk. `writeFolder` does so at its end; who still has to
 * read what was written may start it before.
 */
export async function flushFolder(folder: string): Promise<void> {
  for (const entry of await readdir(folder, {withFileTypes: true})) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) await flushFolder(path);
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
