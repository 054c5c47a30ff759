import {createHash} from 'node:crypto';
import {readFileSync, readlinkSync} from 'node:fs';
import {hostname} from 'node:os';

/**
 * Tells apart, in a file's name, the machines and containers that write to one disk: a process's number means something
 * among those alone that see the same processes. Containers may have one host name, and machines one namespace's
 * number, so it is of both, and of the boot.
 */
export const MACHINE = createHash('sha256')
  .update(JSON.stringify([hostname(), processNamespace(), bootId()]))
  .digest('hex')
  .slice(0, 8);

/** The namespace of process ids, on Linux; empty elsewhere. */
function processNamespace(): string {
  try {
    return readlinkSync('/proc/self/ns/pid');
  } catch {
    return '';
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
  } catch {
    return '';
  }
}

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
