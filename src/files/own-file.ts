import {constants} from 'node:fs';
import {lstat, open, realpath, stat, type FileHandle} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {FileError} from '../errors.js';
import {isInside} from './inside.js';

/**
 * A file of a folder that is copied on: it lies there, or is a link to one that does. In the cache of the Hub's tools,
 * whose `snapshots/COMMIT` are links to `blobs/`, it may lie there.
 * @returns its path; null where there is none
 * @throws FileError for a link that leads out of the folder, and for what is no regular file
 */
export async function ownFile(folder: string, name: string): Promise<string | null> {
  const path = join(folder, name);
  const info = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT' || error.code === 'ENOTDIR') return null;
    throw unreadable(path, error);
  });
  if (info === null) return null;
  if (info.isSymbolicLink()) {
    const real = await realpath(path).catch((error: NodeJS.ErrnoException) => {
      throw unreadable(path, error);
    });
    const home = await realpath(folder);
    const cache = dirname(home);
    const roots = basename(cache) === 'snapshots' ? [home, join(dirname(cache), 'blobs')] : [home];
    if (!roots.some((root) => isInside(real, root))) {
      throw new FileError(
        `${path} is a link that leads out of its folder; what it points to is not copied. Put the file itself there, or remove the link.`,
      );
    }
  }
  if (!(await stat(path)).isFile()) throw new FileError(`${path} is no file.`);
  return path;
}

/**
 * Opens a regular file to read. A named pipe, which would wait for its writer, and a device, which has no end, are
 * refused without waiting.
 * @throws FileError
 */
export async function openRegular(path: string): Promise<FileHandle> {
  let handle: FileHandle | undefined;
  try {
    handle = await open(path, constants.O_RDONLY | (constants.O_NONBLOCK ?? 0));
    if ((await handle.stat()).isFile()) return handle;
    throw new FileError(`${path} is no file.`);
  } catch (error) {
    await handle?.close();
    throw error instanceof FileError ? error : unreadable(path, error as NodeJS.ErrnoException);
  }
}

const unreadable = (path: string, error: NodeJS.ErrnoException): FileError =>
  new FileError(
    `${path} cannot be read: ${error.code === 'ENOENT' ? 'no such file' : (error.code ?? error.message)}.`,
    {cause: error},
  );
