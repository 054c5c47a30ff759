import type {HubOptions} from '../wire/session.js';
import type {UploadPhase} from './upload.js';

/** What a push is at. */
export type PushPhase = 'checking' | 'comparing' | UploadPhase | 'verifying';

/** What a push tells while it works. */
export type PushProgress =
  | {event: 'phase'; phase: PushPhase}
  /** Bytes that the Hub has so far, of the plan's; falls when a request failed and is sent again. */
  | {event: 'bytes'; sent: number; total: number};

export interface PushOptions extends Omit<HubOptions, 'cache'> {
  /** The checkpoint folder. */
  dir: string;
  /** `user/name`. */
  repo: string;
  /**
   * Create the repo private; a public one that exists is refused then. Without it, a new repo is what its
   * owner's settings say, and one that exists stays as it is.
   */
  private?: boolean;
  /** The branch to commit to, which is made from main if there is none; or `refs/pr/N`, a pull request's. Default main. */
  revision?: string;
  /** Propose the commit in a new pull request; then nothing is created. */
  createPr?: boolean;
  /** Only plan: the report says what would go, and no network is touched. */
  dryRun?: boolean;
  /** The commit's title in the first line, and what else it says below. */
  message?: string;
  /**
   * Gives files to write into the folder before it is pushed, as texts by name: a model card, which needs the README.md
   * that the repo has. Called before the Hub is reached as well, with null: what cannot be is told then.
   */
  addFiles?: (readme: string | null) => Promise<ReadonlyMap<string, string>>;
  onProgress?: (progress: PushProgress) => void;
}
