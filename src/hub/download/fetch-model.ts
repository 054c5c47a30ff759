import {readModelConfig} from '../../model/index.js';
import type {OnBytes} from './fetch-into-cache.js';
import {smallFiles, weightNames} from './model-files.js';
import {findModel, type ModelSource} from '../repo/model-source.js';
import {openSession, type HubOptions} from '../wire/session.js';

export interface FetchModelOptions extends HubOptions {
  /** Told how far the download is, in bytes; not called if nothing is missing. */
  onProgress?: OnBytes;
}

/** A model on this machine. */
export interface FetchedModel {
  /** A folder with config.json, weights and tokenizer, or what a local argument named. */
  path: string;
  /** `user/repo`, or the local path as it was given. */
  name: string;
  /** The commit of a repo; null for a local model. */
  revision: string | null;
}

/**
 * Brings a model to this machine: nothing is to be done for a local path; of a repo, the files that a model
 * needs come into the cache that all Hugging Face tools share, as far as they are not there.
 * @param model - a path, or `user/repo`, perhaps with `@revision`; or what `findModel` made of it
 * @throws UsageError or FileError for the argument; HubError, in words for the user, for what the Hub refuses or
 *   breaks; UnsupportedError if a repo holds no model of a family that ztt knows; InterruptedError once the signal aborts
 */
export async function fetchModel(
  model: string | ModelSource,
  options: FetchModelOptions = {},
): Promise<FetchedModel> {
  const source = typeof model === 'string' ? await findModel(model) : model;
  if (source.kind === 'local') return {path: source.path, name: source.path, revision: null};
  const session = await openSession(options);
  // Loaded here, so that a command line on local files does not load the Hub's library.
  const [{openRepo}, {listTop}] = await Promise.all([
    import('./open-repo.js'),
    import('../wire/repo-info.js'),
  ]);
  const repo = {type: 'model', name: source.repo} as const;
  const open = await openRepo(session, repo, source.revision, listTop);
  await open.fetch(smallFiles(open));
  // Another family is told before its weights are downloaded.
  await readModelConfig(open.folder);
  await open.fetch(await weightNames(open), options.onProgress);
  await open.remember();
  return {path: open.folder, name: source.repo, revision: open.commit};
}
