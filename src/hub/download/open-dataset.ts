import {join} from 'node:path';
import {UsageError} from '../../errors.js';
import type {FetchModelOptions} from './fetch-model.js';
import {parseRepoAt} from '../repo/repo-id.js';
import {openSession} from '../wire/session.js';

/** A dataset repo at a commit, whose files are fetched as they are asked for. */
export interface HubDataset {
  /** `user/name`. */
  name: string;
  /** The commit. */
  revision: string;
  /** The names of all its files, with `/` between folders. */
  names: readonly string[];
  /**
   * Brings files into the cache that all Hugging Face tools share.
   * @returns the path of each, in the order asked for
   * @throws HubError if there is no file of a name; as `openDataset`
   */
  fetch(names: readonly string[]): Promise<string[]>;
}

/**
 * Opens a dataset repo of the Hub.
 * @param text - `user/name`, perhaps with `@revision`
 * @throws UsageError for what can be no repo or revision; HubError, in words for the user, for what the Hub refuses or
 *   breaks; InterruptedError once the signal aborts
 */
export async function openDataset(text: string, options: FetchModelOptions = {}): Promise<HubDataset> {
  const parsed = parseRepoAt(text);
  if ('why' in parsed) throw new UsageError(`${text} is no dataset of the Hub: ${parsed.why}.`);
  const session = await openSession(options);
  const [{openRepo}, {listAll}] = await Promise.all([
    import('./open-repo.js'),
    import('../wire/repo-info.js'),
  ]);
  const repo = {type: 'dataset', name: parsed.repo} as const;
  const open = await openRepo(session, repo, parsed.revision, listAll);
  return {
    name: parsed.repo,
    revision: open.commit,
    names: [...open.names],
    fetch: async (names) => {
      await open.fetch(names, options.onProgress);
      await open.remember();
      return names.map((name) => join(open.folder, ...name.split('/')));
    },
  };
}
