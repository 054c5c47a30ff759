/**
 * ztt as a library: convert a checkpoint, load it, run it.
 *
 * ```ts
 * import {convert, load} from 'ztt';
 * await convert({source: 'gpt2', output: 'gpt2-ztt', layout: 'ztt', cycles: 2});
 * const model = await load('gpt2-ztt', {engine: 'auto'});
 * const {logits, slots} = await model.logits([[464, 3290]], {threshold: 0.5});
 * ```
 */
export {makeCard, type Card, type CardOptions} from './card/index.js';
export {Checkpoint, SafetensorsFile, writeSafetensors} from './checkpoint/index.js';
export {
  AXIS_NAMES,
  compare,
  parseAxis,
  planComparison,
  type Axis,
  type CompareOptions,
  type Comparison,
  type TimedPlan,
  type TrainingBudget,
} from './compare/index.js';
export * from './convert/index.js';
export {ENGINES, listEngines, useEngine, type Engine, type EngineOptions} from './engine/index.js';
export * from './errors.js';
export {evaluate, type EvalOptions, type EvalReport} from './eval/index.js';
export * from './export/index.js';
export {
  finetune,
  planFinetune,
  plotRuns,
  readMetrics,
  type FinetuneOptions,
  type FinetuneReport,
  type MetricsLine,
  type RunPlan,
} from './finetune/index.js';
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
  type PushPlan,
  type PushReport,
} from './hub/index.js';
export * from './model/index.js';
export {evaluateHeldOut, type HeldOutOptions, type HeldOutResult} from './score/index.js';
export {
  examine,
  installTensorflow,
  type Examination,
  type InstallOptions,
  type InstallReport,
} from './setup/index.js';
export {Tokenizer} from './tokenizer/index.js';
