import {createHash, randomBytes} from 'node:crypto';
import {readdir, rename, rm} from 'node:fs/promises';
import {hostname} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {exists} from './locate.js';

/**
 * What lies beside a target for a process: `partial` is being written; `replaced` made way for a new one and is removed
 * last; `used` is empty, and says that the target is read.
 */
type Kind = 'partial' | 'replaced' | 'used';

/** Tells machines apart that write to one disk: a process id says nothing on another machine. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** A hidden path beside a target, which names the process that it belongs to. */
export function besides(target: string, kind: Kind): string {
  const owner = `${host}-${process.pid}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${owner}.${kind}`);
}

const BESIDES = /^\.(.+)\.([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.(partial|replaced|used)$/s;

/** A path that `besides` made, of whatever process. */
interface Beside {
  path: string;
  /** The name of its target, in the same folder. */
  target: string;
  kind: Kind;
  /** Whether it belonged to a process of this machine that is no more. */
  abandoned: boolean;
}

/** All that processes have put beside the targets of a folder; nothing for a folder that cannot be read. */
async function listBesides(folder: string): Promise<Beside[]> {
  const names = await readdir(folder).catch(() => []);
  return names.flatMap((name) => {
    const [, target, owner, pid, kind] = BESIDES.exec(name) ?? [];
    if (target === undefined) return [];
    const abandoned = owner === host && !isRunning(Number(pid));
    return [{path: join(folder, name), target, kind: kind as Kind, abandoned}];
  });
}

/** The names in a folder that some process is reading, as far as it said so by a `used` path. */
export async function namesInUse(folder: string): Promise<Set<string>> {
  const used = (await listBesides(folder)).filter(({kind, abandoned}) => kind === 'used' && !abandoned);
  return new Set(used.map(({target}) => target));
}

/**
 * Tidies up after processes of this machine that were killed: what they had begun goes, and what they had moved aside
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

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user, it may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
