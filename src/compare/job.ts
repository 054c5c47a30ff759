import {mkdir, rm} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {exists, writeFileWhole} from '../checkpoint/index.js';
import {convert} from '../convert/index.js';
import {evaluate, type EvalOptions, type Sample} from '../eval/index.js';
import {finetune, readMetrics, type MetricsLine} from '../finetune/index.js';
import {openDataset} from '../hub/index.js';
import {countParameters, load, slots} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';
import type {HeldOutOutcome, Outcome, TaskOutcome} from './outcome.js';
import type {PlannedEvaluation, PlannedRun} from './plan.js';
import type {ComparisonSettings} from './settings.js';

/** What a process of its own does: a run, unless it is of the source, and its evaluations that are not there. */
export interface Job {
  settings: Pick<
    ComparisonSettings,
    'source' | 'sourceName' | 'data' | 'tasks' | 'taskFolder' | 'limit' | 'engine'
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
  const lines = run ? await readMetrics(folder) : [];
  for (const evaluation of job.evaluations) {
    const outcome = await score(folder, lines, job, evaluation, controls.signal);
    await mkdir(dirname(evaluation.path), {recursive: true});
    await writeFileWhole(evaluation.path, `${JSON.stringify(outcome)}\n`);
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
    threads,
    resume: await exists(output),
    onStep: ({step, steps}) => onShare(step / steps),
    signal,
  });
  await rm(model, {recursive: true, force: true});
  await rm(join(output, 'checkpoints'), {recursive: true, force: true});
}

async function score(
  folder: string,
  lines: readonly MetricsLine[],
  {settings, threads}: Job,
  {exits, thresholds}: PlannedEvaluation,
  signal: AbortSignal,
): Promise<Outcome> {
  const {tasks, taskFolder, limit, engine} = settings;
  const model = await load(folder, {engine, threads});
  try {
    const {arch, arrangement} = model.config;
    const items = new Map<string, Pick<TaskOutcome, 'metric' | 'items'>>();
    const at = (task: string, threshold: number) => JSON.stringify([task, threshold]);
    const options: EvalOptions = {
      tasks,
      taskData: {dataFolder: taskFolder, openDataset: (repo) => openDataset(repo, {signal})},
      limit,
      thresholds,
      ...exits,
      bootstrapIterations: 0,
      timedQuestions: 0,
      onSamples: (task, threshold, samples) => items.set(at(task, threshold), judged(samples)),
      signal,
    };
    const report = tasks.length > 0 ? await evaluate(model, await Tokenizer.load(folder), options) : null;
    const tasksAt = (threshold: number) => {
      const costs = report?.ztt.thresholds.find((each) => each.threshold === threshold)!.tasks ?? {};
      return Object.entries(costs).map(([task, {flops_ratio_to_source, mean_slots}]) => {
        return [task, {...items.get(at(task, threshold))!, flops_ratio_to_source, mean_slots}] as const;
      });
    };
    return {
      version: 1,
      parameters: countParameters(arch, arrangement).all,
      slots: slots(arrangement).length,
      engine: `${model.engine.name}, ${model.engine.device}`,
      training: trainingOf(lines),
      thresholds: thresholds.map((threshold) => ({
        threshold,
        tasks: Object.fromEntries(tasksAt(threshold)),
        // A run measures exits as they are by default.
        held_out: Object.keys(exits).length > 0 ? null : heldOutAt(lines.at(-1), threshold),
      })),
    };
  } finally {
    model.dispose();
  }
}

/** A task's items: whether each question was answered rightly, or each document's bits of its bytes. */
function judged(samples: readonly Sample[]): Pick<TaskOutcome, 'metric' | 'items'> {
  if ('acc' in samples[0]!) {
    return {metric: 'acc', items: samples.map(({acc}) => ({value: Number(acc), weight: 1}))};
  }
  return {
    metric: 'bits_per_byte',
    items: samples.map(({bits_per_byte: pair}) => {
      const [nats, bytes] = pair as [number, number];
      return {value: -nats / Math.LN2, weight: bytes};
    }),
  };
}

/** What a run's metrics say of it; null without any. */
function trainingOf(lines: readonly MetricsLine[]): Outcome['training'] {
  const last = lines.at(-1);
  if (!last) return null;
  return {
    steps: last.step,
    flops: last.flops ?? 0,
    before: heldOutAt(lines[0], 1),
  };
}

/** The held-out text's numbers at a threshold, if that line of the metrics has them. */
function heldOutAt(line: MetricsLine | undefined, threshold: number): HeldOutOutcome | null {
  const exit = line?.held_out?.exits.find((each) => each.threshold === threshold);
  if (!exit) return null;
  const {loss, mean_slots, flops_per_token} = exit;
  return {loss, mean_slots, flops_per_token};
}
