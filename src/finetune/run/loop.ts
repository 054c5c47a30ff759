import {setImmediate} from 'node:timers/promises';
import * as tf from '@tensorflow/tfjs-core';
import {Checkpoint, dtypeNamed, rounded, type ModelFolder} from '../../checkpoint/index.js';
import type {Batch} from '../../data/index.js';
import {FileError, InterruptedError, ZttError} from '../../errors.js';
import {assignKeys, exitFitOf, fitExits} from '../../fit/index.js';
import {FIT_ROWS} from '../../fit/options.js';
import {hasZeroTokens, ZERO_KEYS, type ExitFit, type Model} from '../../model/index.js';
import {EventFile} from '../records/event-file.js';
import {measureHeldOut} from './held-out.js';
import {
  appendMetrics,
  truncateMetrics,
  type HeldOutMetrics,
  type MetricsLine,
  type StepMetrics,
} from '../records/metrics.js';
import {trainsExits} from '../settings/cycles.js';
import type {FinetuneOptions, RunControls} from '../settings/options.js';
import {afterEvaluation, afterStep, exploded, type RunRecord} from '../records/record.js';
import {Pace} from '../step/pace.js';
import {tensorSources, type RunFolder, type RunIdentity} from './run-folder.js';
import {stepFlops} from '../plan/step-flops.js';
import type {StepResult} from '../step/step-values.js';
import type {Trainer} from '../step/trainer.js';

/** Everything a run needs, ready to go. */
export interface Run {
  folder: RunFolder;
  identity: RunIdentity;
  controls: RunControls;
  model: Model;
  trainer: Trainer;
  /** The batch of this number (0-based). */
  batch: (index: number) => Promise<Batch>;
  /** What is evaluated and not trained on; no sequences for no evaluation. */
  heldOut: Batch;
  /** The content of config.json, and the folder whose tokenizer files come along. */
  output: Omit<ModelFolder, 'tensors'>;
  /** Steps done before. */
  from: number;
  record: RunRecord;
}

export interface RunEnd {
  /** Steps done in the end, all calls together. */
  step: number;
  /** The last step's line; null if no step was left to do. */
  last: StepMetrics | null;
  record: RunRecord;
}

/**
 * Trains from step `from` to the end, and puts the model at the top of the run folder: the last step's, or the best
 * where early stopping is on.
 * @throws InterruptedError after an abort, with everything saved; FileError for a disk that refuses; ZttError for a
 *   loss that is not finite or explodes. Each names the checkpoint to go on from.
 */
export async function runToEnd(
  run: Run,
  options: Pick<FinetuneOptions, 'onStep' | 'onNote' | 'signal'>,
): Promise<RunEnd> {
  await truncateMetrics(run.folder.path, run.from);
  return naming(run, async () => {
    const end = await trainOn(run, options);
    await finish(run, end, options);
    return end;
  });
}

/** Puts the finished model in its place: the last step's, or the best where early stopping is on. */
async function finish(run: Run, {step, record}: RunEnd, options: FitExitsHooks): Promise<void> {
  const {folder, controls, model, output} = run;
  const {patience, dtype: name} = controls;
  const dtype = dtypeNamed(name);
  const best = patience === null ? null : record.best;
  if (best && best.step !== step) await restoreWeights(model, folder.checkpoint(best.step));
  const fitted = controls.fitExits ? {exit_fit: await fitExitsOf(run, options)} : {};
  const config = {...output.config, ztt: {...(output.config.ztt as object), ...fitted}, torch_dtype: name};
  const tensors = tensorSources(model.parameters());
  await folder.finish({
    ...output,
    config,
    tensors: tensors.map((tensor) => (tensor.name === ZERO_KEYS ? tensor : rounded(tensor, dtype))),
  });
}

/** Gives a model the weights of one of its checkpoints. */
async function restoreWeights(model: Model, folder: string): Promise<void> {
  const checkpoint = await Checkpoint.open(folder);
  try {
    for (const [name, variable] of model.parameters()) {
      const values = tf.tensor(await checkpoint.readFloat32(name), variable.shape);
      variable.assign(values);
      values.dispose();
    }
  } finally {
    await checkpoint.close();
  }
}

type FitExitsHooks = Pick<FinetuneOptions, 'onNote' | 'signal'>;

/** Fits the exits of a trained model on the first rows that it was trained on. @returns the record for its config.json */
async function fitExitsOf(
  {folder, model, identity, batch}: Run,
  {onNote, signal}: FitExitsHooks,
): Promise<ExitFit> {
  const {steps, seqLen} = identity.settings;
  onNote?.('fitting the exits on the trained model.');
  const rows: number[][] = [];
  for (let i = 0; i < steps && rows.length < FIT_ROWS; i++) rows.push(...(await batch(i)).ids);
  rows.length = Math.min(rows.length, FIT_ROWS);
  const exits = await fitExits(model, {rows, signal}).catch((error: unknown) => {
    if (!(error instanceof InterruptedError)) throw error;
    const message = `stopped before the exits were fitted; all steps are saved: ${resumeHint(folder.path)}`;
    throw new InterruptedError(message, {cause: error});
  });
  await assignKeys(model, exits);
  return exitFitOf(exits, {rows: rows.length, seqLen, dataSha256: identity.dataSha256});
}

async function trainOn(
  run: Run,
  {onStep, signal}: Pick<FinetuneOptions, 'onStep' | 'signal'>,
): Promise<RunEnd> {
  const {folder, identity, controls, model, trainer, from} = run;
  const {steps} = identity.settings;
  const {evalEvery, saveEvery, keep, patience} = controls;
  let {record} = run;
  const save = async (step: number) => {
    const output = {...run.output, tensors: tensorSources(model.parameters())};
    await folder.save({step, identity, record, model: output, moments: trainer.moments()});
    await folder.prune(keep, record.best?.step);
  };
  const events = controls.tensorboard ? await EventFile.create(folder.path, from === 0 ? 0 : from + 1) : null;
  const log = async (line: MetricsLine) => {
    await appendMetrics(folder.path, line);
    await events?.add(line);
  };
  const tell = async (line: StepMetrics) => {
    await log(line);
    onStep?.({...line, steps});
  };
  if (from === 0 && run.heldOut.ids.length > 0) {
    await log({step: 0, held_out: await measure(run)});
  }
  const pace = new Pace(model, trainer);
  let last: StepMetrics | null = null;
  let step = from;
  while (step < steps && !record.stopped_early) {
    step += 1;
    // Engines that compute at once never yield: a Ctrl-C gets its turn here.
    await setImmediate();
    const due = run.heldOut.ids.length > 0 && evalEvery > 0 && (step % evalEvery === 0 || step === steps);
    const saves = step % saveEvery === 0 || step === steps;
    const read = due || saves || (signal?.aborted ?? false);
    const done = await pace.run(step, () => run.batch(step - 1), read);
    for (const {step: of, result, seconds} of done) {
      record = afterStep(
        record,
        result.loss,
        stepFlops(
          model.config,
          identity.settings,
          result.cycles ?? model.config.arrangement.cycles,
          trainsExits(of, identity.settings),
        ),
      );
      if (exploded(record)) throw new ZttError(explosion(of, record));
      last = stepMetrics(run, of, result, seconds, record);
      // The newest step's line waits for what is evaluated after it.
      if (of < step) await tell(last);
    }
    if (!last || done.length === 0) continue;
    if (due) {
      last.held_out = await measure(run);
      record = afterEvaluation(record, step, last.held_out.loss);
      record.stopped_early = patience !== null && record.evaluations_since_best >= patience;
    }
    await tell(last);
    const stop = signal?.aborted ?? false;
    const best = record.best?.step === step;
    if (stop || best || record.stopped_early || saves) await save(step);
    if (stop && step < steps && !record.stopped_early) {
      throw new InterruptedError(
        `stopped after step ${step} of ${steps}; it is saved: ${resumeHint(folder.path)}`,
      );
    }
  }
  return {step, last, record};
}

/** How to go on with a run. */
const resumeHint = (path: string): string => `\`ztt finetune --output ${shellWord(path)} --resume\` goes on.`;

/** A word as a shell takes it. */
const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

function measure(run: Run): Promise<HeldOutMetrics> {
  const {layout} = run.model.config.arrangement;
  return measureHeldOut(run.model, run.heldOut, {
    batchSize: run.identity.settings.batchSize,
    thresholds: hasZeroTokens(layout) ? run.controls.evalThresholds : [],
  });
}

function stepMetrics(
  {identity: {settings}}: Run,
  step: number,
  {loss, lr, gradNorm, cycles, exits}: StepResult,
  seconds: number,
  {flops}: RunRecord,
): StepMetrics {
  const tokens_per_second = (settings.batchSize * settings.accumulate * settings.seqLen) / seconds;
  return {
    step,
    loss,
    lr,
    grad_norm: gradNorm,
    tokens_per_second,
    flops,
    ...(cycles === undefined ? {} : {cycles}),
    ...(exits === undefined ? {} : {exits}),
  };
}

const explosion = (step: number, {running_loss: running}: RunRecord): string =>
  `step ${step}: the loss has exploded (about ${running!.mean.toFixed(2)} nats over the last ten steps, ` +
  `${running!.lowest.toFixed(2)} at its lowest); lower --lr or lengthen --warmup.`;

/** Adds to an error that ended the run where the last good weights are. */
async function naming<T>(run: Run, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof ZttError) || error instanceof InterruptedError) throw error;
    const step = (await run.folder.steps()).at(-1);
    const where =
      step === undefined
        ? 'There is no checkpoint yet.'
        : `The last good checkpoint is ${run.folder.checkpoint(step)}`;
    const how =
      step === undefined
        ? ''
        : error instanceof FileError
          ? `; then ${resumeHint(run.folder.path)}`
          : '; a new run can start from it.';
    const message = `${error.message} ${where}${how}`;
    throw error instanceof FileError
      ? new FileError(message, {cause: error})
      : new ZttError(message, {cause: error});
  }
}
