import {ZttError} from '../../errors.js';
import {availableMemory} from '../../engine/index.js';
import {modelTensors, ZERO_KEYS, type ModelConfig} from '../../model/index.js';
import {BATCH} from '../options.js';
import {distillationSettings} from '../settings/distillation-options.js';
import {loraSettings, newLora} from '../settings/lora-options.js';
import {FLOAT, stepMemory, type StepMemory} from './step-memory.js';
import {runSettings, type FinetuneOptions, type RunControls, type RunSettings} from '../settings/options.js';
import {runFlops, stepFlops} from './step-flops.js';
import {parseTrain, trainedParameters} from '../settings/trainable.js';

/** The share of the memory there is that a step may take: the rest is for the system, data and JavaScript. */
const USABLE = 0.8;

/** What a run will take, before it takes it. */
export interface RunPlan {
  parameters: {all: number; trained: number};
  /** Sequences a micro-batch, and micro-batches a step. */
  batchSize: number;
  accumulate: number;
  memory: StepMemory;
  /** Bytes that there are. */
  availableMemory: number;
  steps: number;
  tokensPerStep: number;
  /** As `stepFlops`, with all cycles. */
  flopsPerStep: number;
  /** Of all steps, with the cycles that each runs. */
  flops: number;
  disk: {
    checkpoint: number;
    /** The newest, the best, and one that is being written. */
    checkpoints: number;
    /** The model at the end. */
    model: number;
  };
}

/** What decides the memory of a step besides its settings. */
export interface StepOptions {
  checkpointCycles?: boolean;
  /** The config of the model that distillation draws to. */
  teacher?: ModelConfig;
}

/** Computes what a run takes, of its config alone: the figures of memory are those of the native engine. */
export function planRun(
  config: ModelConfig,
  settings: RunSettings,
  {keep, evalEvery}: RunControls,
  options: StepOptions,
): RunPlan {
  const {arrangement} = config;
  const {batchSize, accumulate, seqLen, steps} = settings;
  const memory = memoryOf(config, settings, options);
  const rows = batchSize * accumulate;
  const flopsPerStep = stepFlops(config, settings, arrangement.cycles);
  const checkpoint = memory.weights + memory.moments;
  return {
    parameters: {all: memory.weights / FLOAT, trained: memory.gradients / FLOAT},
    batchSize,
    accumulate,
    memory,
    availableMemory: availableMemory(),
    steps,
    tokensPerStep: rows * seqLen,
    flopsPerStep,
    flops: runFlops(config, settings),
    disk: {checkpoint, checkpoints: checkpoint * (keep + 1 + (evalEvery > 0 ? 1 : 0)), model: memory.weights},
  };
}

/**
 * The settings of a run, with a micro-batch that fits where `auto` asks for one. A step keeps its sequences: what
 * does not go at once goes one after the other.
 * @throws UsageError as `runSettings`; ZttError where not even one sequence fits
 */
export function fittedSettings(
  options: Omit<FinetuneOptions, 'model'>,
  config: ModelConfig,
  teacher?: ModelConfig,
): RunSettings {
  const {batchSize = BATCH, ...rest} = options;
  const auto = batchSize === 'auto';
  const settings: RunSettings = {
    ...runSettings({...rest, batchSize: auto ? BATCH : batchSize}, config),
    ...loraSettings(options, config),
    ...distillationSettings(options),
  };
  if (!auto) return settings;
  const rows = settings.batchSize * settings.accumulate;
  const {checkpointCycles} = options;
  const bytes = (size: number) =>
    memoryOf(config, {...settings, batchSize: size}, {checkpointCycles, teacher}).total;
  const fitting = fittingBatch(rows, bytes, availableMemory());
  return {...settings, batchSize: fitting, accumulate: rows / fitting};
}

function memoryOf(
  {arch, arrangement}: ModelConfig,
  settings: RunSettings,
  {checkpointCycles = false, teacher}: StepOptions,
): StepMemory {
  const {train, batchSize, seqLen, exitLossWeight, exitObjective} = settings;
  const withLora = {...arrangement, lora: newLora(settings) ?? arrangement.lora};
  const names = modelTensors(arch, withLora).map(({name}) => name);
  const trained = trainedParameters(parseTrain(train), names, arch);
  return stepMemory({
    arch,
    arrangement: withLora,
    trained: (name) => trained.has(name),
    batchSize,
    seqLen,
    checkpointCycles,
    exitLosses: exitLossWeight > 0,
    exitObjective: exitObjective !== 'off' && trained.has(ZERO_KEYS),
    teacher,
  });
}

/**
 * The largest micro-batch that the memory there is takes, of those that divide a step's sequences evenly: the step
 * stays what it is.
 * @param rows - sequences a step
 * @param memoryOf - the bytes of a step with a micro-batch of so many sequences
 * @throws ZttError if one sequence is too many
 */
export function fittingBatch(
  rows: number,
  memoryOf: (batchSize: number) => number,
  available: number,
): number {
  const sizes = Array.from({length: rows}, (_, i) => rows - i).filter((size) => rows % size === 0);
  const fitting = sizes.find((size) => memoryOf(size) <= USABLE * available);
  if (fitting === undefined) {
    const gigabytes = (bytes: number) => `${(bytes / 1e9).toFixed(2)} GB`;
    throw new ZttError(
      `a step of one sequence needs about ${gigabytes(memoryOf(1))}, and of the ${gigabytes(available)} of memory there are ` +
        `${USABLE * 100} % may be taken; use --checkpoint-cycles, a shorter --seq-len, or --train fewer parts.`,
    );
  }
  return fitting;
}
