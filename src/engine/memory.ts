import {freemem} from 'node:os';

/** The bytes that this process may still take: what the system has free, and the cgroup's limit leaves. */
export function availableMemory(): number {
  const {availableMemory: ask} = process as {availableMemory?: () => number};
  // Node 20.12 does not tell what a cgroup has left, only its limit.
  if (ask) return ask.call(process);
  const limit = process.constrainedMemory();
  return limit > 0 ? Math.min(freemem(), Math.max(0, limit - process.memoryUsage().rss)) : freemem();
}
