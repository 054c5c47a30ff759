import {mkdir} from 'node:fs/promises';
import {dirname} from 'node:path';
import {asCacheError, type RepoCache} from './cache.js';
import {explainFetch} from './explain-fetch.js';
import {HttpFailure} from '../wire/http-failure.js';
import {PartialFile, PartialLost} from './partial-file.js';
import {fileUrl} from '../wire/file-url.js';
import type {HubRepo, RepoFile} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';
import {transfer} from './transfer.js';

/** How much of a download is done, in bytes. What is there falls where a file must begin anew. */
export type OnBytes = (done: number, total: number) => void;

export interface IntoCacheOptions {
  session: HubSession;
  repo: HubRepo;
  commit: string;
  cache: RepoCache;
  files: readonly RepoFile[];
  /** Not called if nothing is missing. */
  onProgress?: OnBytes;
}

/** Files that are downloaded at once. */
const AT_ONCE = 4;

/**
 * Brings files of a repo at a commit into the cache's snapshot: those that are not there yet, some at once.
 * What was broken off goes on; what another process is downloading is waited for.
 * @throws HubError, HttpFailure, or FileError for the disk
 */
export async function fetchIntoCache(options: IntoCacheOptions): Promise<void> {
  const {cache, commit, session} = options;
  try {
    const missing: RepoFile[] = [];
    for (const file of options.files) {
      session.signal?.throwIfAborted();
      if (!(await isThere(cache, commit, file))) missing.push(file);
    }
    if (missing.length === 0) return;
    const total = missing.reduce((sum, {size}) => sum + size, 0);
    const began = await Promise.all(missing.map(async (file) => PartialFile.sizeLeft(cache.blob(file))));
    await cache.requireRoom(total - began.reduce((sum, size) => sum + size, 0));
    const there = new Map<RepoFile, number>();
    const onBytes = (file: RepoFile, bytes: number) => {
      there.set(file, bytes);
      options.onProgress?.(
        [...there.values()].reduce((sum, size) => sum + size, 0),
        total,
      );
    };
    await inParallel(missing, session.signal, async (file, signal) => {
      await fetchFile({...options, session: {...session, signal}}, file, (bytes) => onBytes(file, bytes));
      onBytes(file, file.size);
    });
  } catch (error) {
    throw asCacheError(error, cache.folder);
  }
}

/** Whether a snapshot has a file, or could be given it without a download. */
async function isThere(cache: RepoCache, commit: string, file: RepoFile): Promise<boolean> {
  return (await cache.holds(commit, file)) || (await cache.link(commit, file));
}

async function fetchFile(
  {session, repo, commit, cache}: IntoCacheOptions,
  file: RepoFile,
  onBytes: (there: number) => void,
): Promise<void> {
  const blob = cache.blob(file);
  await mkdir(dirname(blob), {recursive: true});
  const partial = await PartialFile.claim(blob, {
    isDone: () => isThere(cache, commit, file),
    signal: session.signal,
    onWait: () => session.note(`${file.path} is being downloaded by another process; waiting for that`),
  });
  if (partial === null) return;
  try {
    await transfer({session, url: fileUrl(session, repo, commit, file), file, partial, onBytes});
    await partial.finish();
  } catch (error) {
    await partial.release();
    if (error instanceof HttpFailure && !session.signal?.aborted) {
      throw explainFetch(error, {session, repo, revision: commit, path: file.path});
    }
    if (!(error instanceof PartialLost)) throw error;
    return fetchFile({session, repo, commit, cache, files: []}, file, onBytes);
  }
  await cache.link(commit, file);
}

/** Works on items, some at once; the first that fails stops the others, and is the one that is told. */
async function inParallel<T>(
  items: readonly T[],
  signal: AbortSignal | undefined,
  work: (item: T, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  const failed = new AbortController();
  const both = AbortSignal.any([failed.signal, ...(signal ? [signal] : [])]);
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) {
      if (both.aborted) return;
      await work(item, both).catch((error: unknown) => {
        failed.abort(error);
        throw error;
      });
    }
  };
  const done = await Promise.allSettled(Array.from({length: Math.min(AT_ONCE, items.length)}, worker));
  signal?.throwIfAborted();
  if (failed.signal.aborted) throw failed.signal.reason;
  const refused = done.find((one) => one.status === 'rejected');
  if (refused) throw refused.reason;
}
