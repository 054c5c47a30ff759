import type {Difference} from './bootstrap.js';
import type {TrainingBudget} from './budget.js';
import type {LearnedExits} from './outcome.js';

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

/** What a row gave by one measure. */
export interface Measured {
  /** acc (higher is better), or bits_per_byte or loss (lower is better). */
  metric: string;
  /** The mean over seeds. */
  value: number;
  /** Its standard error: over seeds, or over questions or sequences where there is one seed; null without either. */
  error: number | null;
  /** FLOPs, as a multiple of the source's for the same tokens. */
  flopsRatio: number;
  meanSlots: number;
  /** To vanilla, trained for as much, at full depth; null for itself and where there is nothing to compare. */
  difference: Difference | null;
  /** Whether no other row is at least as good for no more FLOPs. */
  pareto: boolean;
}

/** What training took: means over seeds. */
interface RowTraining {
  steps: number;
  flops: number;
  /** The held-out loss before the first step, in nats a token; null where no text was held out. */
  before: number | null;
}

/** A line of the table: the source, or a variant at a threshold. */
export interface Row {
  model: string;
  /** 1 where thresholds are learned; of the first seed where a share chose it. */
  threshold: number;
  /** The share of the training text's sequences that exits at the threshold, where the threshold was chosen by it. */
  share: number | null;
  /** The thresholds that were learned with a penalty, by slot, of the first seed; null where one is given. */
  learned: LearnedExits | null;
  parameters: number;
  /** At full depth. */
  slots: number;
  seeds: number;
  /** Null for the source. */
  training: RowTraining | null;
  /** By task, and under `HELD_OUT` for the held-out text. */
  measures: Record<string, Measured>;
}
