import {createRepo, listFiles, modelInfo} from '@huggingface/hub';
import {HubError} from '../errors.js';
import {HttpFailure} from './http-failure.js';
import {PLACEHOLDER_TOKEN} from './hub-fetch.js';
import type {RepoId} from './repo-id.js';

/** Where a repo is and how it is reached. */
export interface RepoAccess {
  repo: RepoId;
  endpoint: string;
  /** A hubFetch. */
  fetch: typeof fetch;
}

/**
 * Makes sure that a model repo exists.
 * It looks before it creates: a token that may write to a repo need not be allowed to create one.
 * @returns whether it was created.
 * @throws HubError if it is to be private and exists as a public one; what the fetch throws.
 */
export async function ensureRepo(options: RepoAccess & {private: boolean}): Promise<boolean> {
  const {repo, endpoint, fetch} = options;
  let existing = await visibility(options);
  if (existing === undefined) {
    try {
      await createRepo({
        repo: {type: 'model', name: repo.id},
        visibility: options.private ? 'private' : undefined,
        hubUrl: endpoint,
        accessToken: PLACEHOLDER_TOKEN,
        fetch,
      });
      return true;
    } catch (error) {
      // Created since by somebody else, or by an attempt whose answer was lost.
      if (!(error instanceof HttpFailure && error.status === 409)) throw error;
      existing = await visibility(options);
    }
  }
  if (options.private && existing !== 'private') {
    throw new HubError(
      `${repo.id} exists and is public, so a push would not be private; make it private in its settings at ${endpoint}/${repo.id}/settings, or choose another name.`,
    );
  }
  return false;
}

async function visibility({repo, endpoint, fetch}: RepoAccess): Promise<'public' | 'private' | undefined> {
  try {
    const info = await modelInfo({name: repo.id, hubUrl: endpoint, accessToken: PLACEHOLDER_TOKEN, fetch});
    return info.private ? 'private' : 'public';
  } catch (error) {
    if (error instanceof HttpFailure && error.status === 404) return undefined;
    throw error;
  }
}

/** The size in bytes of every file at the top of a repo, by name, at a revision. */
export async function listSizes(options: RepoAccess & {revision: string}): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  const entries = listFiles({
    repo: {type: 'model', name: options.repo.id},
    revision: options.revision,
    hubUrl: options.endpoint,
    accessToken: PLACEHOLDER_TOKEN,
    fetch: options.fetch,
  });
  for await (const entry of entries) {
    if (entry.type === 'file') sizes.set(entry.path, entry.lfs?.size ?? entry.size);
  }
  return sizes;
}
