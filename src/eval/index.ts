/** Tasks scored as lm-evaluation-harness 0.4.13 scores them, at early-exit thresholds, with what each costs. */
export {calibrationThresholds} from './calibration.js';
export {addCosts, costOf, summarise, type Cost, type CostSummary} from './cost.js';
export {calibrate, type CalibrateOptions} from './calibrate.js';
export {tokenBudget} from './choose.js';
export {type EvalOptions} from './eval-options.js';
export {evaluate, type Evaluated} from './evaluate.js';
export {outcomeAt} from './exits.js';
export {htmlReport} from './html-report.js';
export {
  evaluateHeldOut,
  heldOutWindows,
  type HeldOutOptions,
  type HeldOutResult,
  type WindowOptions,
} from './held-out.js';
export {NOT_AVAILABLE, type Metric, type Value} from './metrics.js';
export {Encoder, questionRows, type Pair, type TextEncoder} from './requests.js';
export {samplesFile, type Sample} from './samples.js';
export {
  readResults,
  resultsSchema,
  resultsFolder,
  sanitiseModelName,
  writeResults,
  type Companion,
  type EvalReport,
  type TaskResult,
  type ThresholdReport,
} from './results.js';
export {
  prepareTask,
  taskGroups,
  scoreTask,
  taskMetrics,
  type PreparedTask,
  type RowOutcome,
  type TaskScores,
} from './score-task.js';
export {logLikelihood, scoreGroups, type RowGroup, type Scored, type ScoreOptions} from './scorer.js';
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
export {WorkFile} from './work-file.js';
