import type {WeightFiles} from '../../checkpoint/index.js';
import {checkpointFiles, smallFiles} from './model-files.js';
import {findModel, type ModelSource} from '../repo/model-source.js';
import {openSession, type HubOptions} from '../wire/session.js';

/** A model whose weights are read where they are. */
export interface ModelWeights {
  /** For `Checkpoint.open`: a local path, or the files of a repo, of which only ranges are read. */
  files: string | WeightFiles;
  /** `user/repo`, or the local path as it was given. */
  name: string;
  /** The commit of a repo; null for a local model. */
  revision: string | null;
}

/**
 * Opens a model without downloading its weights: of a repo, config, tokenizer and index files come into the
 * cache, and weight files are read by ranges over the network, or from the cache if they are there.
 * @param model - a path, or `user/repo`, perhaps with `@revision`; or what `findModel` made of it
 * @throws as `fetchModel`
 */
export async function openModel(
  model: string | ModelSource,
  options: HubOptions = {},
): Promise<ModelWeights> {
  const source = typeof model === 'string' ? await findModel(model) : model;
  if (source.kind === 'local') return {files: source.path, name: source.path, revision: null};
  const session = await openSession(options);
  const [{openRepo}, {listTop}, {RemoteFile}] = await Promise.all([
    import('./open-repo.js'),
    import('../wire/repo-info.js'),
    import('./remote-file.js'),
  ]);
  const open = await openRepo(session, {type: 'model', name: source.repo}, source.revision, listTop);
  const {repo, commit, cache} = open;
  const cached = checkpointFiles(open);
  const files: WeightFiles = {
    ...cached,
    open: async (name) => {
      const file = open.listed(name);
      if (!file || (await cache.holds(commit, file))) return cached.open(name);
      return new RemoteFile(session, repo, commit, file);
    },
  };
  await open.fetch(smallFiles(open));
  return {files, name: source.repo, revision: commit};
}
