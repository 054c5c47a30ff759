/**
 * Repos in and out of the Hugging Face Hub.
 *
 * In: `fetchModel('user/repo@revision')` downloads what a model needs into the cache that all Hugging Face tools
 * share and gives `{path, name, revision}`, of which `path` goes wherever a local folder does, and name and
 * revision (the commit, or null for a local path) into `ztt.source`. `openModel` takes the same and downloads no
 * weights: its `files` go into `Checkpoint.open`, and `files.folder` holds config.json. Both take local paths, which
 * they hand back. `openDataset` lists a dataset repo and fetches files of it. `pull` copies a whole model into a folder.
 * Out: `push`.
 */
export {bodyChunks, STALL_MS} from './wire/body.js';
export {findEndpoint, findToken, hubCache, isOffline, type Environment} from './wire/environment.js';
export {fetchModel, type FetchedModel, type FetchModelOptions} from './download/fetch-model.js';
export type {Retry} from './wire/hub-fetch.js';
export {findModel, type ModelSource} from './repo/model-source.js';
export {networkTrouble, StalledError} from './wire/network-trouble.js';
export {openDataset, type HubDataset} from './download/open-dataset.js';
export {openModel, type ModelWeights} from './download/open-model.js';
export {planPush, type LeftOut, type PlannedFile, type PushPlan} from './upload/push-plan.js';
export {pull, type PullOptions, type PullReport} from './download/pull.js';
export {push, type PushReport} from './upload/push.js';
export type {PushOptions, PushPhase, PushProgress} from './upload/push-options.js';
export {parseRepoId, type RepoId} from './repo/repo-id.js';
export type {HubOptions} from './wire/session.js';
