import {mkdir, rm} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {exists} from '../files/index.js';
import {convert} from '../convert/index.js';
import {finetune, readMetrics, type MetricsLine} from '../finetune/index.js';
import {openDataset} from '../hub/index.js';
import {countParameters, load, slots, type Model} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import {blockExits, type BlockExits} from './block-exits.js';
import {writeOutcome, type Outcome} from './outcome.js';
import type {PlannedEvaluation, PlannedRun} from './plan.js';
import {scoreAtExits} from './score.js';
import {HELD_OUT_BLOCKS, type ComparisonSettings} from './settings.js';
import {openText} from './text.js';

/** What a process of its own does: a run, unless it is of the source, and its evaluations that are not there. */
export interface Job {
  settings: Pick<
    ComparisonSettings,
    'source' | 'sourceName' | 'data' | 'tasks' | 'taskFolder' | 'limit' | 'engine' | 'device'
  >;
  threads: number;
  run: Pick<PlannedRun, 'folder' | 'convert' | 'train' | 'trained'> | null;
  evaluations: readonly PlannedEvaluation[];
}

export interface JobControls {
  /** Told the share of the training that is done, in this job. */
  onShare: (share: number) => void;
  signal: AbortSignal;
}

/**
 * Does a job: what is there already, of a run its newest checkpoint, is not done again.
 * @throws as `convert`, `finetune` and `evaluate`
 */
export async function doJob(job: Job, controls: JobControls): Promise<void> {
  const {run, settings} = job;
  if (run && !run.trained) await train(job, run, controls);
  const folder = run ? join(run.folder, 'run') : settings.source;
  for (const evaluation of job.evaluations) {
    const outcome = await outcomeOf(folder, job, evaluation, controls.signal);
    await mkdir(dirname(evaluation.path), {recursive: true});
    await writeOutcome(evaluation.path, outcome);
  }
}

/** Converts and trains. The converted model goes, once the trained one is there, and so do the checkpoints. */
async function train(
  {settings, threads}: Job,
  {folder, convert: how, train: training}: NonNullable<Job['run']>,
  {onShare, signal}: JobControls,
): Promise<void> {
  const model = join(folder, 'converted');
  const output = join(folder, 'run');
  if (!(await exists(join(model, 'config.json')))) {
    await convert({...how, source: settings.source, output: model, signal});
  }
  await finetune({
    ...training,
    model,
    output,
    data: settings.data,
    openDataset: (repo) => openDataset(repo, {signal}),
    engine: settings.engine,
    device: settings.device,
    threads,
    resume: await exists(output),
    onStep: ({step, steps}) => onShare(step / steps),
    signal,
  });
  await rm(model, {recursive: true, force: true});
  await rm(join(output, 'checkpoints'), {recursive: true, force: true});
}

async function outcomeOf(
  folder: string,
  {settings, threads, run}: Job,
  evaluation: PlannedEvaluation,
  signal: AbortSignal,
): Promise<Outcome> {
  const {engine, device} = settings;
  const {exits, thresholds, penalties, exitShares} = evaluation;
  const model = await load(folder, {engine, device, threads});
  try {
    const {arch, arrangement} = model.config;
    const text = run ? await readText(model, folder, settings, run.train, evaluation, signal) : {};
    return {
      version: 1,
      parameters: countParameters(arch, arrangement).all,
      slots: slots(arrangement).length,
      engine: `${model.engine.name}, ${model.engine.device}`,
      training: run ? trainingOf(await readMetrics(folder)) : null,
      exits: await scoreAtExits(model, await Tokenizer.load(folder), settings, {
        exits,
        thresholds,
        penalties,
        exitShares,
        ...text,
        signal,
      }),
    };
  } finally {
    model.dispose();
  }
}

/** Training sequences that thresholds are learned on and chosen on. */
const LEARNING_BLOCKS = 128;

/** What a run's held-out text gives at every exit, and training text where thresholds depend on it. */
async function readText(
  model: Model,
  folder: string,
  {data}: Job['settings'],
  training: NonNullable<Job['run']>['train'],
  {exits, penalties, exitShares}: PlannedEvaluation,
  signal: AbortSignal,
): Promise<{heldOut: BlockExits[]; training?: BlockExits[]}> {
  const {arch} = model.config;
  const text = await openText({folder, arch, data, training, batchSize: LEARNING_BLOCKS, signal});
  try {
    const heldOut = await blockExits(model, await text.heldOut(HELD_OUT_BLOCKS), exits, signal);
    if (penalties.length === 0 && exitShares.length === 0) return {heldOut};
    // Behind those that the run was trained on, where the data has more.
    const {steps, batchSize = 1, accumulate = 1} = training;
    const seen = Math.ceil((steps * Number(batchSize) * accumulate) / LEARNING_BLOCKS);
    return {heldOut, training: await blockExits(model, await text.batch(seen), exits, signal)};
  } finally {
    await text.close();
  }
}

/** What a run's metrics say of it. */
function trainingOf(lines: readonly MetricsLine[]): NonNullable<Outcome['training']> {
  const [first, last] = [lines[0]!, lines.at(-1)!];
  const before = first.held_out?.exits.find(({threshold}) => threshold === 1)?.loss ?? null;
  return {steps: last.step, flops: last.flops ?? 0, before};
}
