/** The network: config, layouts, families, the ZTT forward pass, FLOPs. tfjs is loaded by `load` only. */
export {
  attentionScale,
  isPlainAttention,
  normNames,
  qkvWidths,
  type Architecture,
  type Attention,
  type Layer,
  type LinearModule,
  type Mlp,
  type Norm,
} from './architecture.js';
export {readCheckpointConfig, type CheckpointConfig} from './checkpoint-config.js';
export {curvePointSchema, type Calibration, type CurvePoint} from './calibration.js';
export {
  layerOf,
  modelConfigJson,
  readModelConfig,
  storeCalibration,
  storeExitFit,
  vanilla,
  vanillaConfig,
  type ModelConfig,
  type ZttConfig,
} from './config.js';
export {
  familyNamed,
  familyOf,
  gpt2OfSizes,
  parseArchitecture,
  type Family,
  type Gpt2Sizes,
  type InitialValues,
} from './families/index.js';
export {flopsPerToken, rowFlops, type RowCost} from './flops.js';
export {sampler, type Sampler, type SamplingOptions} from './inference/sampling.js';
export {generate, type GeneratedToken, type GenerateOptions} from './inference/generate.js';
export {
  blocks,
  checkArrangement,
  exitSlots,
  hasHeadAndTail,
  hasZeroTokens,
  LAYOUTS,
  slots,
  type Arrangement,
  type Layout,
  type Part,
  type Slot,
} from './layout.js';
export {load, type LoadOptions, type NewLora} from './load.js';
export {loraTargets} from './lora.js';
export {loraScale, type LoraConfig} from './lora-config.js';
export type {
  BatchOptions,
  ExitsOptions,
  ForwardOptions,
  LogitsOptions,
  LogitsResult,
  RowScore,
  ScoreOptions,
  ScoreRow,
} from './forward.js';
export type {CachedModel, CachedOptions, CachedStep, Continuation} from './inference/cached.js';
export {EXIT_GRANULARITIES, type ExitGranularity} from './exits/granularity.js';
export {ExitRule, exitRule, requireExits} from './exits/rule.js';
export type {ExitFit} from './exits/fit-record.js';
export {EXIT_SCORES, type ExitScore} from './exits/signals.js';
export type {ExitScores} from './inference/score.js';
export type {EvidenceOptions, SlotEvidence} from './inference/evidence.js';
export {cachedTokenBytes} from './inference/cached-bytes.js';
export type {CachedTokens} from './inference/strands.js';
export type {Model} from './model.js';
export {
  blockLinears,
  embeddingTables,
  headWeightName,
  layerLinears,
  LM_HEAD,
  type LinearSpec,
  type TensorSpec,
} from './parameters.js';
export {MAX_LOGITS} from './max-logits.js';
export {LORA_PER, SHARES, ZERO_INITS, type LoraPer, type Share, type ZeroInit} from './options.js';
export {
  countParameters,
  mapTensors,
  modelTensors,
  ZERO_KEYS,
  zeroKeysShape,
  type TensorMap,
} from './tensors.js';
export {contradictedEnd, separatorOf, type EndTokenizer, type Separator} from './text-end.js';
export type {ExitMeasure, ExitObjective, ExitUnit} from './training/exit-objective.js';
export type {GradientOptions, LossGradients} from './training/gradients.js';
export type {RowExits} from './training/mixed-depths.js';
export type {HookFor} from './training/stretches.js';
export type {LossMask} from './training/targets.js';
