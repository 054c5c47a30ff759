import {randomBytes} from 'node:crypto';
import {lstat, readdir, rename, rm} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {exists} from './exists.js';
import {SILENT_MS} from './heartbeat.js';
import {isRunning, MACHINE} from './process-owner.js';

/**
 * What lies beside a target for a process: `partial` is being written; `replaced` made way for a new one and is removed
 * last; `used` and `locked` are empty, and say that the target is read, or is one process's to work in.
 */
type Kind = 'partial' | 'replaced' | 'used' | 'locked';

/** A hidden path beside a target, which names the process that it belongs to. */
export function besides(target: string, kind: Kind): string {
  const owner = `${MACHINE}-${process.pid}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${owner}.${kind}`);
}

const BESIDES = /^\.(.+)\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.(partial|replaced|used|locked)$/s;

/** A path that `besides` made, of whatever process. */
export interface Beside {
  path: string;
  /** The name of its target, in the same folder. */
  target: string;
  kind: Kind;
  pid: number;
  machine: 'this machine' | 'another machine';
  /** Whether its process is no more: seen here, or, for another machine's or container's, by its long silence. */
  abandoned: boolean;
}

/** All that processes have put beside the targets of a folder; nothing for a folder that cannot be read. */
export async function listBesides(folder: string): Promise<Beside[]> {
  const names = await readdir(folder).catch(() => []);
  const besides: Beside[] = [];
  for (const name of names) {
    const [, target, owner, pid, kind] = BESIDES.exec(name) ?? [];
    if (target === undefined) continue;
    const path = join(folder, name);
    const own = owner === MACHINE;
    besides.push({
      path,
      target,
      kind: kind as Kind,
      pid: Number(pid),
      machine: own ? 'this machine' : 'another machine',
      abandoned: own ? !isRunning(Number(pid)) : await isSilent(path),
    });
  }
  return besides;
}

/** Whether the process of a path gave no sign of life for long. */
async function isSilent(path: string): Promise<boolean> {
  const {mtimeMs = Infinity} = (await lstat(path).catch(() => null)) ?? {};
  return Date.now() - mtimeMs > SILENT_MS;
}

/** The names in a folder that some process is reading, as far as it said so by a `used` path. */
export async function namesInUse(folder: string): Promise<Set<string>> {
  const used = (await listBesides(folder)).filter(({kind, abandoned}) => kind === 'used' && !abandoned);
  return new Set(used.map(({target}) => target));
}

/**
 * Tidies up after processes that were killed: what they had begun goes, and what they had moved aside
 * without a successor comes back.
 * @param target - the name of the one to tidy up beside; all of the folder unless given
 */
export async function clearAbandoned(folder: string, target?: string): Promise<void> {
  for (const beside of await listBesides(folder)) {
    if (!beside.abandoned || (target !== undefined && beside.target !== target)) continue;
    const own = join(folder, beside.target);
    if (beside.kind === 'replaced' && !(await exists(own))) await rename(beside.path, own);
    else await rm(beside.path, {recursive: true, force: true});
  }
}
