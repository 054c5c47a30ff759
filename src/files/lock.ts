import {mkdir, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {setTimeout} from 'node:timers/promises';
import {FileError, InterruptedError} from '../errors.js';
import {asFileError, resolveOutput} from './output-folder.js';
import {keepAlive} from './heartbeat.js';
import {besides, listBesides, type Beside} from './partial.js';
import {removeMade} from './staging.js';

/** So long a process is waited for that may just be ending. */
const PATIENCE_MS = 5000;
const POLL_MS = 200;
const NAME = 'lock';

export interface LockOptions {
  /** Milliseconds until a folder that another process holds is given up. */
  patienceMs?: number;
  signal?: AbortSignal;
}

/**
 * Works in a folder, which is made where it is not there, while no other process does. The lock is an empty hidden
 * file in it that names its process: one that was killed holds nothing. Its time of change is kept at now for processes
 * of other machines and containers, which take a lock that was silent for ten minutes for abandoned. (proper-lockfile
 * goes by time alone, also where the process can be seen: a lock would be lost in a long step of training.)
 * @throws FileError naming the process that works in it, InterruptedError after an abort; whatever `work` throws
 */
export async function withLock<T>(
  output: string,
  work: () => Promise<T>,
  options: LockOptions = {},
): Promise<T> {
  const folder = await resolveOutput(output);
  const lock = besides(join(folder, NAME), 'locked');
  let made: string | undefined;
  try {
    made = await takeLock(folder, lock, options);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') {
      throw new FileError(`${output} is a file; name another output folder or remove it.`, {cause: error});
    }
    throw asFileError(error, output);
  }
  const release = keepAlive(lock);
  try {
    return await work();
  } finally {
    release();
    await rm(lock, {force: true});
    await removeMade(folder, made);
  }
}

/** @returns the first folder that was made, if any */
async function takeLock(
  folder: string,
  lock: string,
  {patienceMs = PATIENCE_MS, signal}: LockOptions,
): Promise<string | undefined> {
  const until = performance.now() + patienceMs;
  for (;;) {
    const made = await mkdir(folder, {recursive: true});
    const other = await tryLock(folder, lock);
    if (other === null) return made;
    if (other !== 'gone' && performance.now() > until) {
      const {path, machine, pid} = other;
      throw new FileError(
        `${folder} is in use by process ${pid} of ${machine}; wait for it, or remove ${path} if no ztt is at work there.`,
      );
    }
    await setTimeout(POLL_MS * (0.5 + Math.random()), undefined, {signal}).catch((cause: unknown) => {
      throw new InterruptedError(`stopped while another process was using ${folder}.`, {cause});
    });
  }
}

/**
 * Puts the lock there.
 * @returns null, or whose lock is there already, or that whoever made the folder has just removed it: then there is
 *   none of ours
 */
async function tryLock(folder: string, lock: string): Promise<Beside | 'gone' | null> {
  try {
    await writeFile(lock, '');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return 'gone';
    throw error;
  }
  // Looked at after ours is there: of two that come at the same moment at least one sees the other.
  const others = (await listBesides(folder)).filter(({kind, path}) => kind === 'locked' && path !== lock);
  const alive = others.find(({abandoned}) => !abandoned) ?? null;
  if (alive) await rm(lock, {force: true});
  else await Promise.all(others.map(({path}) => rm(path, {force: true})));
  return alive;
}
