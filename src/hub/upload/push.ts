import {join} from 'node:path';
import {README} from '../../checkpoint/index.js';
import {HubError, InterruptedError, UsageError, ZttError} from '../../errors.js';
import {findEndpoint, requireOnline, requireToken, type Token} from '../wire/environment.js';
import {explainPush} from './explain-push.js';
import {HttpFailure, redact} from '../wire/http-failure.js';
import {planPush, type LeftOut, type PushPlan} from './push-plan.js';
import {pushFiles} from './push-files.js';
import type {PushOptions} from './push-options.js';
import {isRevision, parseRepoId, type RepoId} from '../repo/repo-id.js';

/** What a push did, or, after a dry run, what it would do. */
export interface PushReport {
  repo: string;
  /** The repo's page. */
  url: string;
  /** What was pushed to: a branch, or `refs/pr/N`. */
  revision: string;
  /** The commit that holds the files: the one before where it held them already. Null after a dry run. */
  commit: string | null;
  /** The page of the pull request that was opened; null if none was. */
  pullRequest: string | null;
  dryRun: boolean;
  /** Whether the repo and the branch are new; null after a dry run, which does not ask. */
  created: {repo: boolean; branch: boolean} | null;
  /** The files, and whether the revision held each as it is already; null after a dry run. */
  files: {path: string; bytes: number; unchanged: boolean | null}[];
  /** Entries of the folder that stay behind, with the reason for each. */
  leftOut: LeftOut[];
  /** README.md, as it was made for the push; null if it was not. */
  card: string | null;
  /** Names of files that the repo also holds, from before; null after a dry run. */
  alsoInRepo: string[] | null;
  /** Bytes of all files together. */
  bytes: number;
  /** Of these, what was not sent because the Hub had it already; null after a dry run. */
  bytesNotSent: number | null;
}

const DEFAULT_MESSAGE = 'Upload model with ztt';

/**
 * Pushes a checkpoint folder to a model repo on the Hub: creates the repo and the branch if there are none, uploads in
 * one commit the planned files that the revision does not hold as they are, and checks that it then holds each with
 * its hash. Requests that fail for a passing reason are sent again. A push that was cut at any moment has changed
 * nothing or all, and does not send again what arrived.
 * @throws UsageError for a wrong repo id, revision or address; what `planPush` throws; HubError in one line if there is
 *   no token, the Hub refuses or cannot be reached, or holds other than what was sent; InterruptedError once
 *   the signal aborts. No message has the token in it.
 */
export async function push(options: PushOptions): Promise<PushReport> {
  const repo = parseRepoId(options.repo);
  const {revision = 'main', env = process.env} = options;
  if (!isRevision(revision) || /^[0-9a-f]{40}$/.test(revision)) {
    throw new UsageError(
      `${JSON.stringify(revision)} is nothing to push to; give a branch, or refs/pr/N for a pull request.`,
    );
  }
  if (options.message?.trim() === '') throw new UsageError('the message is empty; a commit needs one.');
  const endpoint = findEndpoint(options.endpoint, env);
  options.onProgress?.({event: 'phase', phase: 'checking'});
  const onDisk = await planPush(options.dir);
  const added = (await options.addFiles?.(null)) ?? new Map<string, string>();
  const plan = withAdded(onDisk, added);
  const report: PushReport = {
    repo: repo.id,
    url: `${endpoint}/${repo.id}`,
    revision,
    commit: null,
    pullRequest: null,
    dryRun: true,
    created: null,
    files: plan.files.map(({path, bytes}) => ({path, bytes, unchanged: null})),
    leftOut: plan.leftOut,
    card: added.get(README) ?? null,
    alsoInRepo: null,
    bytes: plan.bytes,
    bytesNotSent: null,
  };
  if (options.dryRun) return report;
  requireOnline(env);
  const token = await requireToken(options.token, env);
  try {
    options.signal?.throwIfAborted();
    const {message = DEFAULT_MESSAGE, createPr = false, private: isPrivate = false} = options;
    const pushed = await pushFiles({...options, repo, revision, message, createPr, private: isPrivate});
    const {plan, card, commit, pullRequest, created, changed, alsoInRepo, bytesNotSent} = pushed;
    return {
      ...report,
      dryRun: false,
      revision: pullRequest === null ? revision : `refs/pr/${pullRequest}`,
      commit,
      pullRequest: pullRequest === null ? null : `${report.url}/discussions/${pullRequest}`,
      created,
      files: plan.files.map(({path, bytes}) => ({path, bytes, unchanged: !changed.has(path)})),
      leftOut: plan.leftOut,
      card,
      alsoInRepo,
      bytes: plan.bytes,
      bytesNotSent,
    };
  } catch (error) {
    throw asPushError(error, repo, token, endpoint, options.signal);
  }
}

/** A plan with files that are not on disk yet. */
function withAdded(plan: PushPlan, added: ReadonlyMap<string, string>): PushPlan {
  const texts = [...added].map(([path, text]) => {
    return {path, bytes: Buffer.byteLength(text), source: join(plan.dir, path)};
  });
  const files = [...plan.files.filter(({path}) => !added.has(path)), ...texts];
  files.sort((a, b) => (a.path < b.path ? -1 : 1));
  return {...plan, files, bytes: files.reduce((sum, {bytes}) => sum + bytes, 0)};
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
