import type {DtypeName} from '../../checkpoint/index.js';
import type {DataProgress, OpenDataset} from '../../data/index.js';
import {DATA_OPTIONS} from '../../data/options.js';
import {UsageError} from '../../errors.js';
import type {Architecture} from '../../model/index.js';
import {checkOption, checkOptions, withDefaults} from '../../options/index.js';
import {BATCH, CONTROL_OPTIONS, SEQ_LEN, TRAINED_OPTIONS, TRAINING_OPTIONS} from '../options.js';
import type {DistillationSettings} from './distillation-options.js';
import type {LoraSettings} from './lora-options.js';
import type {StepMetrics} from '../records/metrics.js';
import {optimizerSettings, type OptimizerSettings} from './optimizer-options.js';
import {recipeSettings, type RecipeModel, type RecipeSettings} from './recipe.js';
import {parseTrain} from './trainable.js';

/** What a run is made of; it is kept with its checkpoints, and a resumed run must have the same. */
export interface RunSettings
  extends OptimizerSettings, RecipeSettings, Partial<LoraSettings>, Partial<DistillationSettings> {
  steps: number;
  /** Sequences a micro-batch; a step has `accumulate` of them. */
  batchSize: number;
  /** Tokens a sequence. */
  seqLen: number;
  seed: number;
  /** What is trained: `TRAIN_PARTS`, joined by +. The rest stays as it is, bit for bit. */
  train: string;
}

export interface FinetuneOptions extends Omit<Partial<RunSettings>, 'batchSize'>, Partial<RunControls> {
  /** As in `RunSettings`; `auto` takes as many as fit the memory there is, and makes a step's sequences of them. */
  batchSize?: number | 'auto';
  /** A ZTT model, or a source, which is trained as `vanilla`. */
  model: string;
  /** Where a source came from, for `ztt.source` of the result; the name of its folder unless given. */
  source?: {name: string; revision: string};
  /** The run folder. It must not exist, or be empty, unless `resume`. */
  output: string;
  /**
   * What to train on: text, .jsonl and .parquet files, as `FILE` or `FILE:COLUMN`, and datasets, as
   * `DATASET[:CONFIG][:SPLIT]`, and synthetic tasks, as `synthetic:NAME?key=value&…`, each perhaps with `=WEIGHT`
   * behind.
   */
  data: readonly string[];
  /** The share of the data that is held out for evaluations. */
  heldOut?: number;
  /** Data that evaluations take in place of a share of `data`. */
  heldOutData?: readonly string[];
  /** Leave out the loss of each document's first token, before which another document stands. */
  isolateDocuments?: boolean;
  /** Opens datasets of the Hub; without it there are none. */
  openDataset?: OpenDataset;
  /** Go on from the newest checkpoint in `output`. */
  resume?: boolean;
  /** Keep activations of one cycle at a time, for one more forward pass a step; the result is the same. */
  checkpointCycles?: boolean;
  engine?: string;
  device?: string;
  threads?: number;
  /** Called as data is read, before the first step. */
  onData?: DataProgress;
  /** Called after each step. */
  onStep?: (metrics: StepMetrics & {steps: number}) => void;
  /** Called with a line a user should know: the engine taken, where a run goes on from. */
  onNote?: (line: string) => void;
  /** Called with a line that no user may miss: what was taken where files contradict each other. */
  onWarning?: (line: string) => void;
  /** Aborting it finishes the step, saves a checkpoint and throws InterruptedError. */
  signal?: AbortSignal;
}

/** What a run does beside training: it may differ when a run is resumed. */
export interface RunControls {
  /** Steps between checkpoints. */
  saveEvery: number;
  /** The newest checkpoints that are kept, besides the best. */
  keep: number;
  /** Steps between evaluations on held-out text, of which one always ends the run; 0 for none. */
  evalEvery: number;
  /** Held-out sequences that an evaluation scores, at most. */
  evalBlocks: number;
  /** Exit thresholds that an evaluation measures besides full depth, where there are zero tokens. */
  evalThresholds: readonly number[];
  /** Evaluations without a better held-out loss after which the run ends; null for never. */
  patience: number | null;
  /** Fit the zero keys of the exits when the last step is done (see `fitExits`). */
  fitExits: boolean;
  /** Write the metrics as TensorBoard's event files as well. */
  tensorboard: boolean;
  /** What the model at the end is cast to; checkpoints and zero keys are always float32. */
  dtype: DtypeName;
}

/** The model, as far as a run's settings depend on it. */
export interface RunModel {
  arch: Pick<Architecture, 'maxPositions'>;
  arrangement: RecipeModel;
}

/**
 * The settings of a run, with defaults filled in.
 * @throws UsageError naming the option and what it may be
 */
export function runSettings(
  options: Omit<FinetuneOptions, 'batchSize' | 'model'> & {batchSize?: number},
  {arch: {maxPositions}, arrangement}: RunModel,
): RunSettings {
  const {batchSize = BATCH, seqLen = Math.min(SEQ_LEN, maxPositions)} = options;
  checkOption('seq-len', {...TRAINING_OPTIONS['seq-len'], max: maxPositions}, seqLen);
  checkOptions({...DATA_OPTIONS, ...TRAINING_OPTIONS}, options);
  const training = {...withDefaults(TRAINING_OPTIONS, options, {seqLen}), batchSize};
  const {train} = withDefaults(TRAINED_OPTIONS, options);
  const optimizer = optimizerSettings(options, training.steps);
  const run = {steps: training.steps, lr: optimizer.lr};
  const settings = {...training, train, ...optimizer, ...recipeSettings(options, arrangement, run)};
  parseTrain(train);
  if (options.data.length === 0) throw new UsageError('there is no data; name at least one file.');
  return settings;
}

/**
 * The controls of a run, with defaults filled in.
 * @throws UsageError naming the option and what it may be
 */
export function runControls(options: Omit<FinetuneOptions, 'model'>): RunControls {
  const given = {...options, patience: options.patience ?? undefined};
  checkOptions(CONTROL_OPTIONS, given);
  const {patience = null, ...controls} = withDefaults(CONTROL_OPTIONS, given);
  if (patience !== null && controls.evalEvery === 0) {
    throw new UsageError('patience counts evaluations; eval-every 0 has none.');
  }
  const {tensorboard, dtype, ...rest} = controls;
  return {...rest, patience, tensorboard, dtype};
}
