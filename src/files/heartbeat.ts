import {utimes} from 'node:fs/promises';

/** Milliseconds between two signs of life. */
const BEAT_MS = 10_000;

/**
 * So long without a sign of life, what a process of another machine or container put somewhere counts as abandoned. A
 * training step that holds the process up, a file system's cache and clocks that differ take less.
 */
export const SILENT_MS = 10 * 60_000;

const alive = new Set<string>();
let timer: NodeJS.Timeout | undefined;

/**
 * Keeps a path's time of change at now, so that processes which cannot see this one know that it lives; until the
 * function that it gives is called.
 */
export function keepAlive(path: string): () => void {
  alive.add(path);
  timer ??= setInterval(() => {
    const now = new Date();
    // One that is gone is let go of by whoever keeps it.
    for (const each of alive) void utimes(each, now, now).catch(() => {});
  }, BEAT_MS).unref();
  return () => {
    alive.delete(path);
    if (alive.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}
