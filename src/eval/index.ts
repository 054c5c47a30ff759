/** Tasks scored as lm-evaluation-harness 0.4.13 scores them, at early-exit thresholds, with what each costs. */
export {calibrate, type CalibrateOptions} from './thresholds/calibrate.js';
export {tokenBudget} from './thresholds/choose.js';
export {type EvalOptions} from './eval-options.js';
export {TASK_NAMES} from './options.js';
export {evaluate, type Evaluated} from './evaluate.js';
export {htmlReport} from './results/html-report.js';
export {NOT_AVAILABLE, type Metric, type Value} from './measures/metrics.js';
export {Encoder, questionRows, type Pair, type TextEncoder} from './kinds/requests.js';
export {samplesFile, type Sample} from './results/samples.js';
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
} from './results/results.js';
export {
  prepareTask,
  taskGroups,
  scoreTask,
  taskMetrics,
  type PreparedTask,
  type RowOutcome,
  type TaskScores,
} from './scoring/score-task.js';
export type {ChoiceQuestion, DocumentQuestion, TextPair, WordQuestion} from './kinds/questions.js';
export type {ChoiceTask, LastWordTask, RollingTask, Task} from './tasks/task.js';
export {openTask, type TaskOptions} from './tasks/tasks.js';
export {WorkFile} from './scoring/work-file.js';
