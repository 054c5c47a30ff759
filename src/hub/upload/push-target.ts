import {createBranch, createRepo} from '@huggingface/hub';
import {HubError} from '../../errors.js';
import {HttpFailure} from '../wire/http-failure.js';
import type {RepoId} from '../repo/repo-id.js';
import {access, asHubAnswer, repoState, type HubRepo, type RepoState} from '../wire/repo-info.js';
import type {HubSession} from '../wire/session.js';

/** Where a push goes. */
export interface TargetOptions {
  session: HubSession;
  repo: RepoId;
  /** A branch, or `refs/pr/N` of a pull request that is there. */
  revision: string;
  /** The push proposes its commit: nothing is created for it. */
  createPr: boolean;
  /** Create the repo private, and refuse one that is public. */
  private: boolean;
}

export interface PushTarget {
  /** What was created for the push. */
  created: {repo: boolean; branch: boolean};
  /** The commit that the revision stands for. */
  head: string;
}

/**
 * Makes sure that a model repo and its branch exist.
 * It looks before it creates: a token that may write to a repo need not be allowed to create one.
 * @throws HubError if the repo is to be private and exists as a public one, goes by another name, or its name is
 *   taken by what the token may not see; if a pull request is to be made where no repo or branch is; HttpFailure if
 *   the Hub refuses
 */
export async function openTarget(options: TargetOptions): Promise<PushTarget> {
  const {session, repo, revision} = options;
  const found = await find(options);
  const state = found ?? (await create(options));
  if (state.name !== repo.id) {
    throw new HubError(
      `${repo.id} is called ${state.name} on the Hub; push to that, or choose another name.`,
    );
  }
  if (options.private && !state.private) {
    throw new HubError(
      `${repo.id} exists and is public, so a push would not be private; make it private in its settings at ${session.endpoint}/${repo.id}/settings, or choose another name.`,
    );
  }
  const branch = revision === 'main' ? {head: state.commit, created: false} : await openBranch(options);
  return {created: {repo: found === undefined, branch: branch.created}, head: branch.head};
}

const asModel = (repo: RepoId): HubRepo => ({type: 'model', name: repo.id});

/** The repo at its main branch; undefined if there is none that the token may see. */
async function find({session, repo}: TargetOptions): Promise<RepoState | undefined> {
  try {
    return await repoState(session, asModel(repo), 'HEAD');
  } catch (error) {
    if (error instanceof HttpFailure && error.status === 404) return undefined;
    throw error;
  }
}

async function create(options: TargetOptions): Promise<RepoState> {
  const {session, repo} = options;
  if (options.createPr || options.revision.startsWith('refs/')) {
    throw new HubError(
      `There is no ${repo.id} that this token may see, and a pull request needs one; push without --create-pr and --revision to create it.`,
    );
  }
  try {
    await asHubAnswer(session, `a new repo ${repo.id}`, () =>
      createRepo({
        ...access(session, session.api),
        repo: {type: 'model', name: repo.id},
        visibility: options.private ? 'private' : undefined,
      }),
    );
  } catch (error) {
    // Created since by somebody else, or by an attempt whose answer was lost; or there and not to be seen.
    if (!(error instanceof HttpFailure && error.status === 409)) throw error;
  }
  const state = await find(options);
  if (state) return state;
  throw new HubError(
    `The name ${repo.id} is taken by a repo that this token may not see; use a token that may, or choose another name.`,
  );
}

/** The branch that a push goes to, made from main if there is none. */
async function openBranch(options: TargetOptions): Promise<{head: string; created: boolean}> {
  const {session, repo, revision, createPr} = options;
  const head = async () => (await repoState(session, asModel(repo), revision)).commit;
  try {
    return {head: await head(), created: false};
  } catch (error) {
    if (!(error instanceof HttpFailure && error.status === 404)) throw error;
  }
  if (createPr || revision.startsWith('refs/')) {
    throw new HubError(
      `${repo.id} has no revision ${revision}; a pull request is made against a branch that is there.`,
    );
  }
  try {
    await asHubAnswer(session, `a new branch ${revision}`, () =>
      createBranch({...access(session, session.api), repo: asModel(repo), branch: revision}),
    );
  } catch (error) {
    if (!(error instanceof HttpFailure && error.status === 409)) throw error;
  }
  return {head: await head(), created: true};
}
