/** Tasks scored as lm-evaluation-harness 0.4.13 scores them, at early-exit thresholds, with what each costs. */
export {calibrationThresholds} from './calibration.js';
export {addCosts, summarise, type Cost, type CostSummary} from './cost.js';
export {evaluate, type EvalOptions, type Evaluated} from './evaluate.js';
export {
  evaluateHeldOut,
  heldOutWindows,
  type HeldOutOptions,
  type HeldOutResult,
  type WindowOptions,
} from './held-out.js';
export {NOT_AVAILABLE, type Metric, type Value} from './metrics.js';
export {Encoder, questionRows, type Pair, type TextEncoder} from './requests.js';
export {
  readResults,
  resultsSchema,
  sanitiseModelName,
  writeResults,
  type EvalReport,
  type TaskResult,
  type ThresholdReport,
} from './results.js';
export {
  prepareTask,
  scoreTask,
  taskMetrics,
  type PreparedTask,
  type RowOutcome,
  type TaskScores,
} from './score-task.js';
export {logLikelihood, scoreRows, type Scored, type ScoreOptions, type Scores} from './scorer.js';
export type {ChoiceQuestion, DocumentQuestion, TextPair, WordQuestion} from './questions.js';
export {
  openTask,
  TASK_NAMES,
  type ChoiceTask,
  type LastWordTask,
  type RollingTask,
  type Task,
  type TaskOptions,
} from './tasks.js';
