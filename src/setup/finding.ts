import type {Environment} from '../engine/index.js';

/** What a check comes to: `failed` is what ztt cannot do without, `warning` what it does less well without. */
export type Verdict = 'ok' | 'warning' | 'failed';

/** One line of the examination. */
export interface Finding {
  check: string;
  verdict: Verdict;
  /** What was found. */
  found: string;
  /** What to do about it; where the verdict is ok, there is nothing. */
  advice?: string;
}

/** What is examined; the process's own by default. */
export interface ExaminedMachine {
  env: Environment;
  /** The current folder. */
  cwd: string;
  /** Node's version: `20.12.0`. */
  node: string;
}
