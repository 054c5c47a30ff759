import {createHash} from 'node:crypto';
import {hostname} from 'node:os';

/** Tells machines apart that write to one disk, in a file's name: a process's number means something on its own alone. */
export const MACHINE = createHash('sha256').update(hostname()).digest('hex').slice(0, 8);

/** Whether a process of this machine is there. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Of another user, it may not be signalled, but it is there.
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
