import {readdir, rm, stat, statfs, utimes, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {besides, keepAlive, namesInUse} from '../files/index.js';

/** An entry that was not used for so long goes. */
const MAX_IDLE_MS = 30 * 24 * 3600_000;

/** The part of its disk that the cache may take. */
const SHARE_OF_DISK = 0.1;

/** The names of entries: sha256 in hex. What else lies in the folder is left alone. */
const ENTRY = /^[0-9a-f]{64}$/;

/** What a cache may hold, and what time it is. */
export interface CacheBounds {
  /** Bytes of all entries together; a tenth of the disk unless given. */
  maxBytes?: number;
  /** Milliseconds since 1970; the clock's unless given. */
  now?: number;
}

/**
 * Says that this process reads a cache's entry, until the function that it gives is called; an entry in use is not
 * pruned. Where the cache cannot be written, nobody can prune it either.
 */
export async function markUsed(entry: string): Promise<() => Promise<void>> {
  const mark = besides(entry, 'used');
  const now = new Date();
  await writeFile(mark, '').catch(() => {});
  await utimes(entry, now, now).catch(() => {});
  const release = keepAlive(mark);
  return () => {
    release();
    return rm(mark, {force: true}).catch(() => {});
  };
}

/**
 * Removes what a cache is not to keep: entries that were not used for thirty days, then the least recently used ones
 * until the rest fits. What a process reads stays.
 * @returns how many entries and bytes are gone
 */
export async function pruneCache(
  folder: string,
  {maxBytes, now = Date.now()}: CacheBounds = {},
): Promise<{entries: number; bytes: number}> {
  const limit = maxBytes ?? (await diskSize(folder)) * SHARE_OF_DISK;
  const used = await namesInUse(folder);
  const entries = (await readEntries(folder)).sort((a, b) => a.lastUse - b.lastUse);
  let total = entries.reduce((sum, {bytes}) => sum + bytes, 0);
  const gone = {entries: 0, bytes: 0};
  for (const {name, bytes, lastUse} of entries) {
    if (used.has(name) || (now - lastUse <= MAX_IDLE_MS && total <= limit)) continue;
    await rm(join(folder, name), {recursive: true, force: true});
    total -= bytes;
    gone.entries++;
    gone.bytes += bytes;
  }
  return gone;
}

interface Entry {
  name: string;
  bytes: number;
  /** Milliseconds since 1970. */
  lastUse: number;
}

async function readEntries(folder: string): Promise<Entry[]> {
  const names = (await readdir(folder)).filter((name) => ENTRY.test(name));
  const read = async (name: string): Promise<Entry> => {
    const path = join(folder, name);
    let bytes = 0;
    for (const file of await readdir(path)) bytes += (await stat(join(path, file))).size;
    return {name, bytes, lastUse: (await stat(path)).mtimeMs};
  };
  // One that another process removes meanwhile is none.
  const entries = await Promise.all(names.map((name) => read(name).catch(() => null)));
  return entries.filter((entry) => entry !== null);
}

async function diskSize(folder: string): Promise<number> {
  const {blocks, bsize} = await statfs(folder);
  return blocks * bsize;
}
