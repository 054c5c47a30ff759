/**
 * ztt as a library. Every function of the command line is here, with the same names for its options. What runs long takes
 * an AbortSignal as `signal` and reports how far it is; what fails throws a `ZttError` whose message says what to do.
 *
 * ```ts
 * import {convert, fetchModel, load} from 'ztt';
 * const {path} = await fetchModel('openai-community/gpt2');
 * await convert({source: path, output: 'gpt2-ztt', layout: 'ztt', cycles: 2});
 * const model = await load('gpt2-ztt', {engine: 'auto'});
 * const {logits, slots} = await model.logits([[464, 3290]], {threshold: 0.5});
 * model.dispose();
 * ```
 *
 * Names that are not exported here may change in any version. `test/index.test.ts` holds the list.
 */

// Models: from a source to a ZTT model and back.
export {
  CAST_DTYPES,
  convert,
  describeModel,
  init,
  merge,
  planConversion,
  revert,
  VERIFY_LEVELS,
  type Certificate,
  type ConversionPlan,
  type ConversionSummary,
  type ConvertOptions,
  type ConvertPhase,
  type ConvertReport,
  type Divergence,
  type InitOptions,
  type InitReport,
  type Ledger,
  type LogitsComparison,
  type MergeOptions,
  type MergeReport,
  type ModelDescription,
  type Origin,
  type PlanOptions,
  type RevertOptions,
  type RevertReport,
  type SourceEntry,
  type TargetEntry,
  type VerifyLevel,
} from './convert/index.js';

// Running a model.
export {
  countParameters,
  EXIT_GRANULARITIES,
  EXIT_SCORES,
  flopsPerToken,
  generate,
  LAYOUTS,
  load,
  LORA_PER,
  readModelConfig,
  rowFlops,
  sampler,
  SHARES,
  slots,
  storeCalibration,
  ZERO_INITS,
  type Architecture,
  type Arrangement,
  type BatchOptions,
  type CachedModel,
  type CachedOptions,
  type CachedStep,
  type CachedTokens,
  type Calibration,
  type Continuation,
  type CurvePoint,
  type ExitGranularity,
  type ExitScore,
  type ExitScores,
  type ForwardOptions,
  type GeneratedToken,
  type GenerateOptions,
  type GradientOptions,
  type Layout,
  type LoadOptions,
  type LogitsOptions,
  type LogitsResult,
  type LoraConfig,
  type LoraPer,
  type LossGradients,
  type LossMask,
  type Model,
  type ModelConfig,
  type RowCost,
  type RowScore,
  type Sampler,
  type SamplingOptions,
  type ScoreOptions,
  type ScoreRow,
  type Share,
  type Slot,
  type ZeroInit,
} from './model/index.js';
export {Tokenizer} from './tokenizer/index.js';

// Training.
export {
  finetune,
  planFinetune,
  plotRuns,
  readMetrics,
  type FinetuneOptions,
  type FinetuneReport,
  type HeldOutMetrics,
  type MetricsLine,
  type PlotOptions,
  type PlotReport,
  type RunPlan,
  type StepMetrics,
} from './finetune/index.js';

// Measuring.
export {
  calibrate,
  evaluate,
  htmlReport,
  readResults,
  TASK_NAMES,
  writeResults,
  type CalibrateOptions,
  type EvalOptions,
  type EvalReport,
  type Evaluated,
  type Sample,
  type TaskResult,
  type ThresholdReport,
} from './eval/index.js';
export {evaluateHeldOut, type HeldOutOptions, type HeldOutResult} from './score/index.js';
export {
  AXIS_NAMES,
  compare,
  parseAxis,
  planComparison,
  type Axis,
  type CompareOptions,
  type Comparison,
  type Difference,
  type Measured,
  type Row,
  type TimedPlan,
  type TrainingBudget,
} from './compare/index.js';

// The Hub, and other runtimes.
export {
  fetchModel,
  openDataset,
  openModel,
  planPush,
  pull,
  push,
  type FetchedModel,
  type FetchModelOptions,
  type HubDataset,
  type HubOptions,
  type ModelWeights,
  type PullOptions,
  type PullReport,
  type PushOptions,
  type PushPhase,
  type PushPlan,
  type PushProgress,
  type PushReport,
} from './hub/index.js';
export {makeCard, type Card, type CardOptions} from './card/index.js';
export {
  EXPORT_DTYPES,
  exportOnnx,
  planExport,
  type ExportOptions,
  type ExportPlanOptions,
  type ExportReport,
} from './export/index.js';

// Files of weights.
export {Checkpoint, SafetensorsFile, writeSafetensors} from './checkpoint/index.js';

// Engines, and what this machine lacks.
export {ENGINES, listEngines, useEngine, type Engine, type EngineOptions} from './engine/index.js';
export {
  examine,
  installTensorflow,
  type Examination,
  type InstallOptions,
  type InstallReport,
} from './setup/index.js';

export {
  EngineError,
  FileError,
  FormatError,
  HubError,
  InterruptedError,
  UnsupportedError,
  UsageError,
  ZttError,
} from './errors.js';
