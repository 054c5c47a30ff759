import {stat} from 'node:fs/promises';
import {HubError, InterruptedError} from '../../errors.js';
import {RepoCache} from './cache.js';
import {explainFetch} from './explain-fetch.js';
import {fetchIntoCache, type OnBytes} from './fetch-into-cache.js';
import {HttpFailure} from '../wire/http-failure.js';
import {isCommit, resolveCommit, type HubRepo, type Lister, type RepoFile} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** A repo at a commit: as the Hub has it or, where that is not reached, as far as the cache does. */
export interface OpenRepo {
  readonly repo: HubRepo;
  /** As messages name it: its name, and that it is only what the cache has, if so. */
  readonly label: string;
  readonly commit: string;
  readonly cache: RepoCache;
  /** The snapshot's folder in the cache, in which fetched files lie. */
  readonly folder: string;
  /** The names of the files that there are. */
  readonly names: ReadonlySet<string>;
  /** What the Hub lists of a file; undefined if it lists none, or only the cache is asked. */
  listed(name: string): RepoFile | undefined;
  /** Brings files into the folder. @throws HubError if there is none of a name; what a download throws */
  fetch(names: readonly string[], onProgress?: OnBytes): Promise<void>;
  /** Lets the cache know which commit the revision is; for when all that is needed is there. */
  remember(): Promise<void>;
}

/**
 * Opens a repo at a revision, with those of its files that `list` lists. Where the Hub may not be reached (offline),
 * cannot be, or refuses, and the cache has the revision, the cache stands in; unless the session is offline, a note
 * says so.
 * @throws HubError in words for the user
 */
export async function openRepo(
  session: HubSession,
  repo: HubRepo,
  revision: string,
  list: Lister,
): Promise<OpenRepo> {
  const cache = new RepoCache(session.cache, repo, session.plainFiles);
  const known = isCommit(revision) ? revision : await cache.readRef(revision);
  const cached = known !== undefined && (await cache.names(known)).length > 0 ? known : undefined;
  if (session.offline) {
    if (cached !== undefined) return openCached(repo, cached, cache, 'HF_HUB_OFFLINE is set');
    throw new HubError(
      `HF_HUB_OFFLINE is set, and the cache at ${session.cache} has no ${revision} of ${repo.name}; unset it to download.`,
    );
  }
  // With something to fall back on, one attempt is enough.
  const asking = cached === undefined ? session : {...session, api: session.quickApi};
  try {
    const commit = isCommit(revision) ? revision : await resolveCommit(asking, repo, revision);
    return openOnline(session, repo, revision, commit, cache, await list(asking, repo, commit));
  } catch (error) {
    const told = asFetchError(error, session, repo, revision);
    const gone = error instanceof HttpFailure && error.code === 'RevisionNotFound';
    if (cached === undefined || gone || !(told instanceof HubError)) throw told;
    session.note(
      `going on with commit ${cached.slice(0, 7)} of ${repo.name} from the cache: ${told.message}`,
    );
    return openCached(repo, cached, cache, told.message);
  }
}

function openOnline(
  session: HubSession,
  repo: HubRepo,
  revision: string,
  commit: string,
  cache: RepoCache,
  listing: readonly RepoFile[],
): OpenRepo {
  const files = new Map(listing.map((file) => [file.path, file]));
  return {
    repo,
    label: repo.name,
    commit,
    cache,
    folder: cache.snapshot(commit),
    names: new Set(files.keys()),
    listed: (name) => files.get(name),
    fetch: async (names, onProgress) => {
      const wanted = names.map((name) => {
        const file = files.get(name);
        if (!file) throw new HubError(`the ${repo.type} ${repo.name} has no file ${name} at ${revision}.`);
        return file;
      });
      await fetchIntoCache({session, repo, commit, cache, files: wanted, onProgress}).catch(
        (error: unknown) => {
          throw asFetchError(error, session, repo, revision);
        },
      );
    },
    // A cache that may only be read serves as well.
    remember: async () => cache.writeRef(revision, commit).catch(() => {}),
  };
}

async function openCached(repo: HubRepo, commit: string, cache: RepoCache, why: string): Promise<OpenRepo> {
  return {
    repo,
    label: `${repo.name}, as far as the cache has it,`,
    commit,
    cache,
    folder: cache.snapshot(commit),
    names: new Set(await cache.names(commit)),
    listed: () => undefined,
    fetch: async (names) => {
      for (const name of names) {
        const found = await stat(cache.entry(commit, name)).catch(() => null);
        if (found?.isFile()) continue;
        throw new HubError(
          `The cache at ${cache.folder} has ${repo.name} only in part: ${name} is missing at commit ${commit.slice(0, 7)}. It was not downloaded, because: ${why}`,
        );
      }
    },
    remember: async () => {},
  };
}

/** What ended a download, in words for the user. */
function asFetchError(error: unknown, session: HubSession, repo: HubRepo, revision: string): unknown {
  if (session.signal?.aborted) {
    return new InterruptedError(
      `the download of ${repo.name} was stopped; what came is kept. Run the same command again to go on from there.`,
      {cause: error},
    );
  }
  return error instanceof HttpFailure ? explainFetch(error, {session, repo, revision}) : error;
}
