import {HubError, InterruptedError, ZttError} from '../errors.js';
import {findEndpoint, requireOnline, requireToken, type Environment, type Token} from './environment.js';
import {explainPush} from './explain-push.js';
import {HttpFailure, redact} from './http-failure.js';
import {hubFetch, type HubFetchOptions, type Retry} from './hub-fetch.js';
import {planPush, type LeftOut, type PlannedFile, type PushPlan} from './plan.js';
import {parseRepoId, type RepoId} from './repo-id.js';
import {streamUploads} from './stream-uploads.js';
import type {UploadPhase} from './upload.js';

/** What a push is at. */
export type PushPhase = 'checking' | UploadPhase | 'verifying';

/** What a push tells while it works. */
export type PushProgress =
  | {event: 'phase'; phase: PushPhase}
  /** Bytes that went out so far, of the plan's; falls when a request failed and is sent again. */
  | {event: 'bytes'; sent: number; total: number}
  | ({event: 'retry'} & Retry);

export interface PushOptions {
  /** The checkpoint folder. */
  dir: string;
  /** `user/name`. */
  repo: string;
  /**
   * Create the repo private; a public one that exists is refused then. Without it, a new repo is what its
   * owner's settings say, and one that exists stays as it is.
   */
  private?: boolean;
  /** Only plan: the report says what would go, and no network is touched. */
  dryRun?: boolean;
  /** An access token; by default found as the Hub's own tools find it. */
  token?: string;
  /** The Hub's address; by default `HF_ENDPOINT`, else the public Hub. */
  endpoint?: string;
  /** The commit's title. */
  message?: string;
  onProgress?: (progress: PushProgress) => void;
  signal?: AbortSignal;
  /** The fetch that all requests go through; the global one by default. */
  fetch?: typeof fetch;
  /** The environment; `process.env` by default. */
  env?: Environment;
  /** Attempts a request has in all; 5 by default. */
  attempts?: number;
  /** Waits between attempts; for tests. */
  sleep?: HubFetchOptions['sleep'];
}

/** What a push did, or, after a dry run, what it would do. */
export interface PushReport {
  repo: string;
  /** The repo's page. */
  url: string;
  /** The commit's id; null after a dry run. */
  commit: string | null;
  dryRun: boolean;
  /** Whether the repo is new; null after a dry run, which does not ask. */
  created: boolean | null;
  files: {path: string; bytes: number}[];
  /** Entries of the folder that stay behind, with the reason for each. */
  leftOut: LeftOut[];
  /** Names of files that the repo also holds, from before; null after a dry run. */
  alsoInRepo: string[] | null;
  /** Bytes of all files together. */
  bytes: number;
}

const DEFAULT_MESSAGE = 'Upload model with ztt';

/**
 * Pushes a checkpoint folder to a model repo on the Hub: creates the repo if there is none, uploads every
 * planned file in one commit, and checks that the Hub then lists each with its size. Requests that fail for
 * a passing reason are sent again; where the answer to a commit was lost, that may add an equal commit.
 * @throws UsageError for a wrong repo id or address; what `planPush` throws; HubError in one line if there is
 *   no token, the Hub refuses or cannot be reached, or lists other than what was sent; InterruptedError once
 *   the signal aborts. No message has the token in it.
 */
export async function push(options: PushOptions): Promise<PushReport> {
  const repo = parseRepoId(options.repo);
  const env = options.env ?? process.env;
  const endpoint = findEndpoint(options.endpoint, env);
  options.onProgress?.({event: 'phase', phase: 'checking'});
  const plan = await planPush(options.dir);
  const report: PushReport = {
    repo: repo.id,
    url: `${endpoint}/${repo.id}`,
    commit: null,
    dryRun: true,
    created: null,
    files: plan.files.map(({path, bytes}) => ({path, bytes})),
    leftOut: plan.leftOut,
    alsoInRepo: null,
    bytes: plan.bytes,
  };
  if (options.dryRun) return report;
  requireOnline(env);
  const token = await requireToken(options.token, env);
  try {
    options.signal?.throwIfAborted();
    return {...report, dryRun: false, ...(await send(plan, repo, endpoint, token, options))};
  } catch (error) {
    throw asPushError(error, repo, token, endpoint, options.signal);
  }
}

async function send(
  plan: PushPlan,
  repo: RepoId,
  endpoint: string,
  token: Token,
  options: PushOptions,
): Promise<Pick<PushReport, 'commit' | 'created' | 'alsoInRepo'>> {
  const {onProgress, signal} = options;
  const onPhase = (phase: PushPhase) => onProgress?.({event: 'phase', phase});
  let sent = 0;
  const onBytes = (bytes: number) => {
    sent += bytes;
    onProgress?.({event: 'bytes', sent, total: plan.bytes});
  };
  const fetch = hubFetch({
    endpoint,
    token: token.value,
    fetch: streamUploads(options.fetch ?? globalThis.fetch, onBytes),
    again: 'push again',
    attempts: options.attempts,
    sleep: options.sleep,
    signal,
    onRetry: (retry) => onProgress?.({event: 'retry', ...retry}),
  });
  // Loaded here, so that a command line that pushes nothing does not load the Hub's library.
  const {ensureRepo, listSizes} = await import('./repo.js');
  const {upload} = await import('./upload.js');
  const created = await ensureRepo({repo, endpoint, fetch, private: options.private ?? false});
  const message = options.message ?? DEFAULT_MESSAGE;
  const commit = await upload({repo, endpoint, files: plan.files, message, fetch, signal, onPhase});
  // Small files go within the commit, and those that the Hub has already do not go at all.
  onBytes(plan.bytes - sent);
  onPhase('verifying');
  const listed = await listSizes({repo, endpoint, fetch, revision: commit});
  verify(plan.files, listed, repo);
  const pushed = new Set(plan.files.map((file) => file.path));
  return {commit, created, alsoInRepo: [...listed.keys()].filter((path) => !pushed.has(path))};
}

/** @throws HubError naming the first file that the Hub lists not at all or with another size than was sent. */
function verify(files: readonly PlannedFile[], listed: ReadonlyMap<string, number>, repo: RepoId): void {
  for (const {path, bytes} of files) {
    const size = listed.get(path);
    if (size === bytes) continue;
    const what = size === undefined ? 'no' : `${size} bytes of`;
    throw new HubError(
      `The Hub lists ${what} ${path} in ${repo.id} after the push, where ${bytes} bytes were sent; push again.`,
    );
  }
}

function asPushError(
  error: unknown,
  repo: RepoId,
  token: Token,
  endpoint: string,
  signal: AbortSignal | undefined,
): Error {
  if (signal?.aborted) {
    return new InterruptedError(
      `The push to ${repo.id} was stopped; its commit is made whole or not at all. Run the same command to push again.`,
    );
  }
  if (error instanceof HttpFailure) return explainPush(error, repo, token, endpoint);
  if (error instanceof ZttError) return error;
  const why = redact(error instanceof Error ? error.message : String(error), token.value).replace(
    /\s+/g,
    ' ',
  );
  return new HubError(
    `The push to ${repo.id} failed: ${why}. Check that ${new URL(endpoint).host} is a Hub, and push again.`,
  );
}
