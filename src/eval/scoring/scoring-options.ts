import type {ForwardOptions, ModelConfig} from '../../model/index.js';
import type {TaskOptions} from '../tasks/tasks.js';
import type {DepthOptions} from './depths.js';

/** When rows exit, whatever the threshold; see the model's `ForwardOptions`. */
export type ExitOptions = Pick<DepthOptions, 'exitFromCycle' | 'exitScore' | 'exitGranularity' | 'maxCycles'>;

/** What is scored, and when rows exit: of evaluation and of calibration. */
export interface TaskScoringOptions extends ExitOptions {
  /** The harness's tasks by name, and files by path; see `openTask`. */
  tasks: readonly string[];
  /** Where the datasets of named tasks come from. */
  taskData?: Pick<TaskOptions, 'dataFolder' | 'openDataset'>;
  /** Tokens in a batch at most. Default 2048. */
  batchTokens?: number;
  /** Called with the questions done and all of them in a part of the work, and what the part is. */
  onProgress?: (done: number, total: number, part: string) => void;
  /** Stops before the next batch. */
  signal?: AbortSignal;
}

/** The thresholds that tasks are scored at, given or chosen for budgets. */
export interface ThresholdOptions extends TaskScoringOptions {
  /** Early-exit thresholds, each above 0; 1 is full depth. Default [1], or none where there are budgets. */
  thresholds?: readonly number[];
  /** Thresholds of single slots, by their index, in place of each of `thresholds` there. Not with budgets. */
  slotThresholds?: ForwardOptions['slotThresholds'];
  /** Compute to choose thresholds for, as `parseBudget` reads it. */
  budgets?: readonly string[];
  /** Rows of each task to use, from the first. */
  limit?: number;
  /** Rows of each task's calibration split that budgets are calibrated on. */
  calibrationLimit?: number;
  /** Called with a line that a person should know. */
  onNote?: (line: string) => void;
}

/** When rows of a model exit: what is not said is as its checkpoint says. */
export function exitOptions(options: ExitOptions, {ztt}: ModelConfig): ExitOptions & {exitFromCycle: number} {
  const {exitScore = ztt?.exit_score, exitGranularity, maxCycles} = options;
  const exitFromCycle = options.exitFromCycle ?? ztt?.exit_from_cycle ?? 2;
  return {exitFromCycle, exitScore, exitGranularity, maxCycles};
}
