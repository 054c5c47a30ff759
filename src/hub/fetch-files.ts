import {join} from 'node:path';
import {UsageError} from '../errors.js';
import type {FetchModelOptions} from './fetch-model.js';
import {brokenRule, isRevision} from './repo-id.js';
import {openSession} from './session.js';

export interface FetchFilesOptions extends FetchModelOptions {
  type: 'model' | 'dataset';
  /** `user/name`. */
  repo: string;
  /** A branch, tag, commit or `refs/pr/N`; `main` unless given. */
  revision?: string;
  /** Names in the repo, with `/` between folders. */
  names: readonly string[];
}

/** Files of a repo on this machine. */
export interface FetchedFiles {
  /** The folder that they lie in, by their names. */
  folder: string;
  /** The path of each, in the order asked for. */
  paths: string[];
  /** The commit that they are of. */
  revision: string;
}

/**
 * Brings files of a model or dataset repo to this machine, into the cache that all Hugging Face tools share.
 * @throws UsageError for a name that can be no repo or revision; HubError if the repo has no file of a name, and
 *   for what the Hub refuses or breaks; InterruptedError once the signal aborts
 */
export async function fetchFiles(options: FetchFilesOptions): Promise<FetchedFiles> {
  const {type, repo: name, names, revision = 'main'} = options;
  const why = brokenRule(name);
  if (why !== null) throw new UsageError(`${JSON.stringify(name)} is no ${type} repo: ${why}.`);
  if (!isRevision(revision)) throw new UsageError(`${JSON.stringify(revision)} is no branch, tag or commit.`);
  const session = await openSession(options);
  const [{openRepo}, {findFiles}] = await Promise.all([import('./open-repo.js'), import('./repo-info.js')]);
  const open = await openRepo(session, {type, name}, revision, (...at) => findFiles(...at, names));
  await open.fetch(names, options.onProgress);
  await open.remember();
  return {
    folder: open.folder,
    paths: names.map((file) => join(open.folder, ...file.split('/'))),
    revision: open.commit,
  };
}
