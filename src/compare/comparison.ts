import type {TrainingBudget} from './budget.js';
import type {Row} from './summary.js';

/** What a comparison gave: comparison.json in its folder, and a page beside it. */
export interface Comparison {
  version: 1;
  source: string;
  output: string;
  budget: TrainingBudget;
  seeds: readonly number[];
  engine: string | null;
  rows: Row[];
  /** Models to train and to score, and how many of them are there. */
  cells: {all: number; done: number};
}
