import {fileURLToPath} from 'node:url';
import type {Layout} from '../src/index.js';

const fixture = (name: string): string => fileURLToPath(new URL(`../fixtures/${name}`, import.meta.url));

/** What the demo reads: all of it is in the repository. */
export const SOURCE = fixture('gpt2-books');
export const TRAINING_TEXT = fixture('books_train.txt');
export const HELD_OUT_TEXT = fixture('books_heldout.txt');
export const QUESTIONS = fixture('books_word_order.jsonl');

export const LAYOUTS: Layout[] = ['vanilla', 'bc', 'htc', 'ztt'];
export const CYCLES = 2;
export const SEED = 1;

/** Zero keys that hardly take part at first; see docs/finetuning.md. */
export const ZERO_INIT = {zeroInit: 'aligned', zeroInitBeta: 1} as const;

/** Early-exit thresholds of every run; 1 never exits. */
export const FIXED_THRESHOLDS = [0.2, 0.5, 0.7, 1];
/** Further thresholds are chosen so that these shares of the calibration text exit early. */
export const EXIT_SHARES = [0.25, 0.5, 0.75];

/** Windows of held-out text: the first half is context and decides the exit, the second half is scored. */
export const WINDOW = {window: 256, context: 128};

/** How much is done: the sizes of a run. */
export interface Sizes {
  steps: number;
  batchSize: number;
  seqLen: number;
  lr: number;
  /** Windows of held-out text scored, and as many before them for calibration. */
  windows: number;
  questions: number;
}

export const FULL: Sizes = {steps: 60, batchSize: 4, seqLen: 256, lr: 1e-4, windows: 48, questions: 200};
export const QUICK: Sizes = {steps: 5, batchSize: 4, seqLen: 64, lr: 1e-4, windows: 8, questions: 20};
