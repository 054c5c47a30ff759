import type {Environment} from '../engine/index.js';

/** The verdict of a check: ztt cannot work after `failed`, and works less well after `warning`. */
export type Verdict = 'ok' | 'warning' | 'failed';

/** One line of the examination. */
export interface Finding {
  check: string;
  verdict: Verdict;
  /** The state that the check found. */
  found: string;
  /** The remedy; absent if the verdict is ok. */
  advice?: string;
}

/** The machine to examine; default: that of this process. */
export interface ExaminedMachine {
  env: Environment;
  /** The current folder. */
  cwd: string;
  /** Node's version: `20.12.0`. */
  node: string;
}
