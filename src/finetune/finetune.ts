import {basename, resolve} from 'node:path';
import {Checkpoint, modelFolder, readSourceCard} from '../checkpoint/index.js';
import {openTrainingData, type HeldOut, type TrainingData} from '../data/index.js';
import {HELD_OUT} from '../data/options.js';
import {FileError, UsageError} from '../errors.js';
import {FEWEST_FIT_ROWS} from '../fit/options.js';
import {requireFreeOutput, withLock} from '../files/index.js';
import {
  exitSlots,
  hasZeroTokens,
  load,
  modelConfigJson,
  readCheckpointConfig,
  separatorOf,
  vanillaConfig,
  type Model,
  type ModelConfig,
} from '../model/index.js';
import {renamedChoices} from '../options/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {RUN_OPTIONS} from './options.js';
import {distillationSettings} from './settings/distillation-options.js';
import {newLora} from './settings/lora-options.js';
import {runToEnd} from './run/loop.js';
import {runControls, type FinetuneOptions, type RunControls, type RunSettings} from './settings/options.js';
import {fittedSettings, planRun, type RunPlan} from './plan/run-plan.js';
import {NEW_RECORD} from './records/record.js';
import {runConfig, writeRunConfig} from './run/run-config.js';
import {RunFolder} from './run/run-folder.js';
import {Teacher} from './step/teacher.js';
import {Trainer} from './step/trainer.js';

export interface FinetuneReport {
  output: string;
  steps: number;
  /** The step the run went on from; 0 for a new one. */
  resumedFrom: number;
  /** Whether the run had ended before: then nothing was done. */
  alreadyFinished: boolean;
  /** The last step's loss, in nats; null if nothing was done. */
  loss: number | null;
  /** The step after which early stopping ended the run, or null. */
  stoppedEarlyAt: number | null;
  /** The lowest loss on held-out text at full depth, and after which step; null if there was no evaluation. */
  best: {step: number; loss: number} | null;
  /** Tokens in the data, the sequences of it that are held out, and tokens trained on in this call. */
  dataTokens: number;
  heldOutBlocks: number;
  trainedTokens: number;
  seconds: number;
}

/**
 * Fine-tunes a model on text with next-token prediction and AdamW. The run folder holds metrics.jsonl,
 * checkpoints/step-N, and at the end the float32 model at its top.
 * @throws UsageError, FileError or FormatError for options, model or data, or a run folder that another process is at
 *   work in; InterruptedError after an abort, with everything saved
 */
export async function finetune(given: FinetuneOptions): Promise<FinetuneReport> {
  const options = renamedChoices(RUN_OPTIONS, given, given.onNote);
  const run = new RunFolder(options.output);
  await requireRunFolder(run, options.resume ?? false);
  return withLock(options.output, () => finetuneIn(run, options), {signal: options.signal});
}

async function finetuneIn(run: RunFolder, options: FinetuneOptions): Promise<FinetuneReport> {
  const config = await readConfigOf(options.model);
  const {arch} = config;
  const from = options.resume ? ((await run.steps()).at(-1) ?? 0) : 0;
  const given = from > 0 ? await withBatchOf(run, from, options) : options;
  const settings = fittedSettings(given, config, await teacherConfig(options));
  const controls = runControls(options);
  if (controls.fitExits) requireFittable(config, settings);
  const started = performance.now();
  const report = {
    output: options.output,
    steps: settings.steps,
    stoppedEarlyAt: null,
    loss: null,
    best: null,
    dataTokens: 0,
    heldOutBlocks: 0,
    trainedTokens: 0,
    seconds: 0,
  };
  if (options.resume && (await run.finished())) {
    return {...report, resumedFrom: settings.steps, alreadyFinished: true};
  }
  const tokenizer = await Tokenizer.load(await modelFolder(options.model));
  const separator = separatorOf(arch, tokenizer);
  for (const line of [...tokenizer.notes, ...separator.notes]) options.onWarning?.(line);
  const rows = settings.batchSize * settings.accumulate;
  const data = await openTrainingData({
    sources: options.data,
    heldOut: heldOutOf(options, controls),
    openDataset: options.openDataset,
    isolateDocuments: options.isolateDocuments,
    tokenizer,
    vocabulary: arch.vocabulary,
    separator: separator.id,
    seqLen: settings.seqLen,
    batchSize: rows,
    seed: settings.seed,
    onRead: options.onData,
    onNote: options.onNote,
    signal: options.signal,
  });
  try {
    if (options.batchSize === 'auto') {
      options.onNote?.(
        `batch-size ${settings.batchSize}, accumulate ${settings.accumulate}: what fits the memory.`,
      );
    }
    const end = await trainOn(data, {run, options, settings, controls, from});
    return {
      ...report,
      resumedFrom: from,
      alreadyFinished: false,
      stoppedEarlyAt: end.record.stopped_early ? end.step : null,
      loss: end.last?.loss ?? null,
      best: end.record.best,
      dataTokens: data.tokens,
      heldOutBlocks: data.heldOutBlocks,
      trainedTokens: (end.step - from) * rows * settings.seqLen,
      seconds: (performance.now() - started) / 1000,
    };
  } finally {
    await data.close();
  }
}

/** Refuses at the start what could not be fitted at the end. @throws UsageError */
function requireFittable({arrangement, ztt}: ModelConfig, settings: RunSettings): void {
  const {layout, cycles} = arrangement;
  if (!hasZeroTokens(layout) || exitSlots(arrangement, ztt?.exit_from_cycle ?? 2).length === 0) {
    throw new UsageError(
      `fit-exits needs zero tokens and several cycles: the model is ${layout} with ${cycles} ${cycles === 1 ? 'cycle' : 'cycles'}.`,
    );
  }
  const rows = settings.steps * settings.batchSize * settings.accumulate;
  if (rows < FEWEST_FIT_ROWS) {
    throw new UsageError(
      `fit-exits needs ${FEWEST_FIT_ROWS} rows of text; the run has ${rows}: take more steps.`,
    );
  }
}

/** A run's parts, before its model is loaded. */
interface Prepared {
  run: RunFolder;
  options: FinetuneOptions;
  settings: RunSettings;
  controls: RunControls;
  /** Steps done before. */
  from: number;
}

async function trainOn(data: TrainingData, {run, options, settings, controls, from}: Prepared) {
  const identity = {settings, dataSha256: data.sha256};
  const heldOut = await data.heldOut(controls.evalEvery > 0 ? controls.evalBlocks : 0);
  const {engine, device, threads} = options;
  const lora = newLora(settings);
  const model = await load(from > 0 ? run.checkpoint(from) : options.model, {engine, device, threads, lora});
  options.onNote?.(model.engine.why);
  for (const line of model.config.notes) options.onWarning?.(line);
  let teacher: Teacher | null = null;
  let trainer: Trainer | null = null;
  try {
    teacher = await teacherOf(settings, model, options);
    trainer = new Trainer(model, {...settings, checkpointCycles: options.checkpointCycles}, teacher);
    const record = from > 0 ? await run.restore(from, identity, trainer.moments()) : NEW_RECORD;
    if (from > 0) options.onNote?.(`going on from step ${from} of ${settings.steps}`);
    await run.create();
    for (const line of await writeRunConfig(run.path, runConfig(options, settings, controls))) {
      options.onNote?.(line);
    }
    const output = {
      config: await outputConfig(options, model),
      carryFrom: await modelFolder(options.model),
    };
    const batch = (index: number) => data.batch(index);
    const parts = {folder: run, identity, controls, model, trainer, batch, heldOut, output, from, record};
    return await runToEnd(parts, options);
  } finally {
    trainer?.dispose();
    teacher?.dispose();
    model.dispose();
  }
}

/** `auto` was decided when the run began: memory may have changed since. */
async function withBatchOf(run: RunFolder, step: number, options: FinetuneOptions): Promise<FinetuneOptions> {
  if (options.batchSize !== 'auto') return options;
  return {...options, ...(await run.batchOf(step))};
}

/**
 * What a run would take: parameters, memory, FLOPs and disk. Reads the model's config and nothing else.
 * @throws UsageError, FileError or FormatError as `finetune`
 */
export async function planFinetune(options: FinetuneOptions): Promise<RunPlan> {
  return planFinetuneOf(await readConfigOf(options.model), options);
}

/** As `planFinetune`, of a model that need not be there yet. */
export async function planFinetuneOf(
  config: ModelConfig,
  given: Omit<FinetuneOptions, 'model'>,
): Promise<RunPlan> {
  const options = renamedChoices(RUN_OPTIONS, given, given.onNote);
  const teacher = await teacherConfig(options);
  const settings = fittedSettings(options, config, teacher);
  const {checkpointCycles} = options;
  return planRun(config, settings, runControls(options), {checkpointCycles, teacher});
}

/** The model that a run's model is drawn to, or null. */
async function teacherOf(settings: RunSettings, model: Model, options: FinetuneOptions) {
  const distillation = distillationSettings(settings);
  if (!distillation) return null;
  const student = {model, folder: await modelFolder(options.model), seqLen: settings.seqLen};
  return Teacher.load(distillation, student, {
    engine: options.engine,
    device: options.device,
    threads: options.threads,
  });
}

/** What is held out: a share or data of its own where that is asked for, else a little for evaluations. */
function heldOutOf(
  {heldOut, heldOutData = []}: FinetuneOptions,
  {evalEvery}: RunControls,
): HeldOut | undefined {
  if (heldOutData.length > 0) return {sources: heldOutData};
  if (heldOut !== undefined) return {share: heldOut};
  return evalEvery > 0 ? HELD_OUT : undefined;
}

async function requireRunFolder(run: RunFolder, resume: boolean): Promise<void> {
  if (resume) return run.requireRun();
  await requireFreeOutput(run.path).catch((error: unknown) => {
    const hint = error instanceof FileError ? ' Use --resume to go on with a run.' : '';
    throw new FileError(`${(error as Error).message}${hint}`, {cause: error});
  });
}

async function readConfigOf(path: string): Promise<ModelConfig> {
  const checkpoint = await Checkpoint.open(path);
  try {
    return (await readCheckpointConfig(checkpoint)).config;
  } finally {
    await checkpoint.close();
  }
}

const teacherConfig = async ({teacher}: Pick<FinetuneOptions, 'teacher'>) =>
  teacher === undefined ? undefined : readConfigOf(teacher);

/** The fine-tuned model's config.json: the model's own, or that of a `vanilla` conversion of the source. */
async function outputConfig(options: FinetuneOptions, model: Model): Promise<Record<string, unknown>> {
  const {base, ztt, arrangement} = model.config;
  const {lora} = arrangement;
  // A calibration is of other weights.
  if (ztt) return modelConfigJson(base, {...ztt, lora, calibration: undefined}, 'float32');
  const checkpoint = await Checkpoint.open(options.model);
  try {
    const {prefix, dropped} = (await readCheckpointConfig(checkpoint)).map;
    const source = options.source ?? {name: basename(resolve(options.model)), revision: null};
    const sha256 = await checkpoint.sha256();
    const card = await readSourceCard(checkpoint.folder);
    const entry = vanillaConfig(model.config, {
      ...source,
      sha256,
      prefix,
      dropped: [...dropped.keys()],
      card,
    });
    return modelConfigJson(base, {...entry, lora}, 'float32');
  } finally {
    await checkpoint.close();
  }
}
