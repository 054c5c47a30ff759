import type {DataProgress, OpenDataset} from '../../data/index.js';
import {DTYPE_NAMES, type DtypeName} from '../../checkpoint/index.js';
import {requireWhole, UsageError} from '../../errors.js';
import type {Architecture} from '../../model/index.js';
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
  /**
   * The share of the data that is held out for evaluations, above 0 and below 1; a twentieth, but at most 16
   * sequences, unless given.
   */
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
  /** Write the metrics as TensorBoard's event files as well. */
  tensorboard: boolean;
  /** What the model at the end is cast to; checkpoints and zero keys are always float32. */
  dtype: DtypeName;
}

/** Sequences a micro-batch unless told otherwise, and what `auto` divides. */
export const DEFAULT_BATCH = 8;

/** The model, as far as a run's settings depend on it. */
export interface RunModel {
  arch: Pick<Architecture, 'maxPositions'>;
  arrangement: RecipeModel;
}

/**
 * The settings of a run, with defaults filled in: 200 steps of 8 sequences, as long as the model takes but at
 * most 256 tokens; the optimiser's as in `optimizerSettings`, the recipe as in `recipeSettings`.
 * @throws UsageError naming the option and what it may be
 */
export function runSettings(
  options: Omit<FinetuneOptions, 'batchSize' | 'model'> & {batchSize?: number},
  {arch: {maxPositions}, arrangement}: RunModel,
): RunSettings {
  const steps = options.steps ?? 200;
  const optimizer = optimizerSettings(options, steps);
  const settings = {
    steps,
    batchSize: options.batchSize ?? DEFAULT_BATCH,
    seqLen: options.seqLen ?? Math.min(256, maxPositions),
    seed: options.seed ?? 0,
    train: options.train ?? 'all',
    ...optimizer,
    ...recipeSettings(options, arrangement, {steps, lr: optimizer.lr}),
  };
  requireWhole('steps', settings.steps, 1, 1e9);
  requireWhole('batch-size', settings.batchSize, 1, 1e6);
  requireWhole('seq-len', settings.seqLen, 2, maxPositions);
  requireWhole('seed', settings.seed, -(2 ** 31), 2 ** 31);
  parseTrain(settings.train);
  if (options.data.length === 0) throw new UsageError('there is no data; name at least one file.');
  if (options.heldOut !== undefined && (options.heldOutData ?? []).length > 0) {
    throw new UsageError('held-out and held-out-data are both given; evaluations take one or the other.');
  }
  return settings;
}

/**
 * The controls of a run, with defaults filled in: a checkpoint and an evaluation every 100 steps, on 16
 * sequences, the newest and the best kept, thresholds 0.2, 0.5 and 0.7, no early stopping.
 * @throws UsageError naming the option and what it may be
 */
export function runControls(options: Omit<FinetuneOptions, 'model'>): RunControls {
  const controls = {
    saveEvery: options.saveEvery ?? 100,
    keep: options.keep ?? 1,
    evalEvery: options.evalEvery ?? 100,
    evalBlocks: options.evalBlocks ?? 16,
    evalThresholds: options.evalThresholds ?? [0.2, 0.5, 0.7],
    patience: options.patience ?? null,
    tensorboard: options.tensorboard ?? false,
    dtype: options.dtype ?? 'float32',
  };
  requireWhole('save-every', controls.saveEvery, 1, 1e9);
  requireWhole('keep', controls.keep, 1, 1e9);
  requireWhole('eval-every', controls.evalEvery, 0, 1e9);
  requireWhole('eval-blocks', controls.evalBlocks, 1, 1e6);
  if (controls.patience !== null) {
    requireWhole('patience', controls.patience, 1, 1e9);
    if (controls.evalEvery === 0) throw new UsageError('patience counts evaluations; eval-every 0 has none.');
  }
  const dtypes: readonly string[] = Object.values(DTYPE_NAMES);
  if (!dtypes.includes(controls.dtype)) {
    throw new UsageError(
      `there is no dtype ${JSON.stringify(controls.dtype)}; there are ${dtypes.join(', ')}.`,
    );
  }
  for (const threshold of controls.evalThresholds) {
    if (!(threshold > 0 && threshold <= 1)) {
      throw new UsageError(`eval-thresholds has ${threshold}; each must be above 0 and at most 1.`);
    }
  }
  return controls;
}
