import {datasetInfo, listFiles, modelInfo} from '@huggingface/hub';
import {z} from 'zod';
import {HubError, ZttError} from '../../errors.js';
import {HttpFailure} from './http-failure.js';
import {PLACEHOLDER_TOKEN} from './hub-fetch.js';
import type {HubSession} from './session.js';

/** A repo on the Hub. */
export interface HubRepo {
  type: 'model' | 'dataset';
  /** `user/name`, or `name` alone as some old repos have it. */
  name: string;
}

/** A file of a repo at a commit, as the Hub lists it. */
export interface RepoFile {
  /** Its name in the repo, with `/` between folders. */
  path: string;
  /** In bytes. */
  size: number;
  /** What its content hashes to, in hex, which also names it in the cache. */
  etag: string;
  /** How: sha256 of the content (large files), or git's sha1 of a blob (the others). */
  hash: 'sha256' | 'git-sha1';
}

const COMMIT = /^[0-9a-f]{40}$/;
export const isCommit = (text: string): boolean => COMMIT.test(text);

const MAX_PATH = 4096;
/** More pages of a listing than any repo that is used as a whole has. */
const MAX_PAGES = 100;

const entrySchema = z.object({
  type: z.string(),
  path: z.string().min(1).max(MAX_PATH),
  size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
  oid: z.string().regex(COMMIT),
  lfs: z
    .object({
      oid: z.string().regex(/^[0-9a-f]{64}$/),
      size: z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER),
    })
    .nullish(),
});

/** A repo as it is at a revision. */
export interface RepoState {
  /** Its name, which is another than was asked for where it has moved. */
  name: string;
  private: boolean;
  /** What the revision stands for now. */
  commit: string;
}

const stateSchema = z.object({
  name: z.string().min(1).max(MAX_PATH),
  private: z.boolean(),
  sha: z.string().regex(COMMIT),
});

/**
 * What a repo is at a branch, tag or shortened commit.
 * @throws HttpFailure if the Hub refuses; HubError if it cannot be reached or its answer is none of a Hub
 */
export async function repoState(session: HubSession, repo: HubRepo, revision: string): Promise<RepoState> {
  const what = `what ${revision} of ${repo.name} is`;
  const question = {...access(session, session.api), name: repo.name, revision};
  const info = await asHubAnswer<object>(session, what, () =>
    repo.type === 'model'
      ? modelInfo({...question, additionalFields: ['sha']})
      : datasetInfo({...question, additionalFields: ['sha']}),
  );
  const {success, data} = stateSchema.safeParse(info);
  if (!success) throw noHub(session, what, 'it names no commit');
  return {name: data.name, private: data.private, commit: data.sha};
}

/** The commit that a branch, tag or shortened commit stands for now. @throws as `repoState` */
export async function resolveCommit(session: HubSession, repo: HubRepo, revision: string): Promise<string> {
  return (await repoState(session, repo, revision)).commit;
}

/** The files at the top of a repo at a commit. @throws as `repoState` */
export const listTop: Lister = (...at) => list(...at, false);

/** All files of a repo at a commit. @throws as `repoState` */
export const listAll: Lister = (...at) => list(...at, true);

/** Lists files of a repo at a commit. */
export type Lister = (session: HubSession, repo: HubRepo, commit: string) => Promise<RepoFile[]>;

/** No repo of models or data that is used as a whole has more files. */
const MAX_FILES = 100_000;

async function list(
  session: HubSession,
  repo: HubRepo,
  commit: string,
  recursive: boolean,
): Promise<RepoFile[]> {
  const what = `the files of ${repo.name}`;
  const files: RepoFile[] = [];
  const fetch = boundedPages(session, what);
  await asHubAnswer(session, what, async () => {
    const pages = listFiles({...access(session, fetch), repo, revision: commit, recursive});
    for await (const entry of pages) {
      files.push(...parseEntry(session, what, entry));
      if (files.length > MAX_FILES) throw noHub(session, what, `there are more than ${MAX_FILES}`);
    }
  });
  return files;
}

/** How the library reaches the Hub in a session. */
export const access = (session: HubSession, fetch: typeof globalThis.fetch) => ({
  hubUrl: session.endpoint,
  // hubFetch sets the real one; without one the library's own header is taken off as well.
  accessToken: PLACEHOLDER_TOKEN,
  fetch,
});

/** The file that an entry of a listing is, if it is one. @throws HubError if the entry can be none of a repo */
function parseEntry(session: HubSession, what: string, entry: unknown): RepoFile[] {
  const parsed = entrySchema.safeParse(entry);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw noHub(session, what, `${issue?.path.join('.')}: ${issue?.message}`);
  }
  const {type, path, size, oid, lfs} = parsed.data;
  // No git tree can hold such a name; on a disk it would lead out of the cache.
  if (path.split('/').some((part) => part === '' || part === '.' || part === '..') || path.includes('\0')) {
    throw noHub(session, what, `a file is named ${JSON.stringify(path.slice(0, 200))}`);
  }
  if (type !== 'file') return [];
  return [
    lfs ? {path, size: lfs.size, etag: lfs.oid, hash: 'sha256'} : {path, size, etag: oid, hash: 'git-sha1'},
  ];
}

/** The session's fetch for a listing, whose pages each name the next: so many and no more, and each once. */
function boundedPages(session: HubSession, what: string): typeof fetch {
  const seen = new Set<string>();
  return async (input, init) => {
    const url = String(input instanceof Request ? input.url : input);
    if (seen.has(url)) throw noHub(session, what, 'its pages go in a circle');
    if (seen.size >= MAX_PAGES) throw noHub(session, what, `it has more than ${MAX_PAGES} pages`);
    seen.add(url);
    return session.api(input, init);
  };
}

/** Runs a question to the Hub; what the library stumbles over in the answer becomes an error for the user. */
export async function asHubAnswer<T>(session: HubSession, what: string, ask: () => Promise<T>): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    session.signal?.throwIfAborted();
    if (error instanceof ZttError || error instanceof HttpFailure) throw error;
    throw noHub(session, what, error instanceof SyntaxError ? 'it is no JSON' : 'it has another form', error);
  }
}

function noHub({endpoint}: HubSession, what: string, why: string, cause?: unknown): HubError {
  return new HubError(
    `${new URL(endpoint).host} was asked for ${what}, and its answer is none of a Hub (${why}); check HF_ENDPOINT if it is set, and the network (a login page may stand in between).`,
    {cause},
  );
}
