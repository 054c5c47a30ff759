import {createHash, randomBytes} from 'node:crypto';
import {readdir, rename, rm} from 'node:fs/promises';
import {hostname} from 'node:os';
import {basename, dirname, join} from 'node:path';
import {exists} from './locate.js';

/** `partial` is being written; `replaced` made way for a new one and is removed last. */
type Kind = 'partial' | 'replaced';

/** Tells machines apart that write to one disk: a process id says nothing on another machine. */
const host = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** A hidden path beside a target, which names the process that it belongs to. */
export function besides(target: string, kind: Kind): string {
  const owner = `${host}-${process.pid}-${randomBytes(4).toString('hex')}`;
  return join(dirname(target), `.${basename(target)}.${owner}.${kind}`);
}

/**
 * Tidies up after processes of this machine that were killed while they wrote a target: what they had begun goes,
 * and what they had moved aside without a successor comes back.
 */
export async function clearAbandoned(target: string): Promise<void> {
  const folder = dirname(target);
  const names = await readdir(folder).catch(() => []);
  for (const name of names) {
    const kind = abandoned(name, basename(target));
    if (!kind) continue;
    const path = join(folder, name);
    if (kind === 'replaced' && !(await exists(target))) await rename(path, target);
    else await rm(path, {recursive: true, force: true});
  }
}

/** What a name beside a target is, if no process owns it any more. */
function abandoned(name: string, target: string): Kind | null {
  if (!name.startsWith(`.${target}.`)) return null;
  const match = /^([0-9a-f]{8})-(\d+)-[0-9a-f]{8}\.(partial|replaced)$/.exec(name.slice(target.length + 2));
  if (!match || match[1] !== host || isRunning(Number(match[2]))) return null;
  return match[3] as Kind;
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
