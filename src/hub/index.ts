/** Repos in and out of the Hugging Face Hub. */
export type {Environment} from './environment.js';
export type {Retry} from './hub-fetch.js';
export {planPush, type LeftOut, type PlannedFile, type PushPlan} from './plan.js';
export {push, type PushOptions, type PushPhase, type PushProgress, type PushReport} from './push.js';
export {parseRepoId, type RepoId} from './repo-id.js';
