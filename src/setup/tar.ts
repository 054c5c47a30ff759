import {spawn} from 'node:child_process';
import {mkdir} from 'node:fs/promises';
import {EngineError} from '../errors.js';

/**
 * Unpacks a .tar.gz with the system's tar.
 * @throws EngineError where there is no tar, or the archive is broken
 */
export async function unpack(archive: string, folder: string, signal?: AbortSignal): Promise<void> {
  await mkdir(folder, {recursive: true});
  const child = spawn('tar', ['-xzf', archive, '-C', folder, '--no-same-owner'], {
    signal,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()));
  await new Promise<void>((done, fail) => {
    child.on('error', (error: NodeJS.ErrnoException) =>
      fail(
        error.code === 'ENOENT' ? new EngineError('there is no tar here to unpack with; install it.') : error,
      ),
    );
    child.on('close', (code) =>
      code === 0
        ? done()
        : fail(new EngineError(`${archive} cannot be unpacked: ${said.trim().split('\n')[0]}`)),
    );
  });
}
