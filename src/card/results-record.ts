import {join} from 'node:path';
import {z} from 'zod';
import {exists, readJson} from '../files/index.js';
import {UsageError} from '../errors.js';
import {readResults, type EvalReport, type ThresholdReport} from '../eval/index.js';
import type {ModelDescription} from '../convert/index.js';

/** The file that keeps a model's results beside it, so that they go where it goes. */
export const RESULTS = 'ztt_results.json';

const count = z.number().int().nonnegative();
const name = z.string().max(256);
/** Nobody has more tasks, thresholds or evaluations in one card. */
const MANY = 1000;

const metricSchema = z.object({name, value: z.number(), stderr: z.number().nullable()});

const pointSchema = z.object({
  threshold: z.number().positive(),
  flops_ratio_to_source: z.number(),
  flops_per_token: z.number(),
  mean_slots: z.number(),
  metrics: z.array(metricSchema).max(MANY),
});

const taskSchema = z.object({
  name,
  /** The dataset's repo on the Hub; null for a file. */
  dataset: name.nullable(),
  config: name.nullable(),
  split: name,
  /** Rows scored, and rows that there are. */
  rows: count,
  of: count,
  /** One a threshold, from the deepest. */
  points: z.array(pointSchema).min(1).max(MANY),
});

const recordSchema = z.object({
  version: z.literal(1, 'this version of ztt reads results of version 1'),
  tasks: z.array(taskSchema).max(MANY),
});

/** Results of a model, as its card has them: no paths and no machine. */
export type ResultsRecord = z.output<typeof recordSchema>;
export type TaskRecord = z.output<typeof taskSchema>;
export type TaskPoint = z.output<typeof pointSchema>;

/**
 * The results that belong into a model's card: those of files that `ztt eval --output` wrote, else those that lie
 * beside the model.
 * @returns null if there are none
 * @throws UsageError for results of another model; FileError, FormatError
 */
export async function resultsOf(
  folder: string,
  model: ModelDescription,
  files: readonly string[],
): Promise<ResultsRecord | null> {
  const path = join(folder, RESULTS);
  if (files.length === 0) return (await exists(path)) ? readJson(path, recordSchema) : null;
  const tasks = new Map<string, TaskRecord>();
  for (const file of files) {
    const report = await readResults(file);
    requireSameModel(report, model, file);
    for (const task of Object.keys(report.results)) tasks.set(task, taskRecord(report, task));
  }
  return {version: 1, tasks: [...tasks.values()]};
}

/** Tells if results can be this model's: they name its layout and sizes. */
function requireSameModel({ztt}: EvalReport, model: ModelDescription, file: string): void {
  const of = [ztt.layout, ztt.head, ztt.middle, ztt.tail, ztt.cycles, ztt.parameters.all].join();
  const own = [model.layout, model.head, model.middle, model.tail, model.cycles, model.parameters.all].join();
  if (of === own) return;
  throw new UsageError(
    `${file} has results of another model (${ztt.layout}, ${ztt.cycles} cycles, ${ztt.parameters.all} parameters) than this (${model.layout}, ${model.cycles}, ${model.parameters.all}).`,
  );
}

const taskConfigSchema = z.looseObject({
  dataset_path: z.string(),
  dataset_name: z.string().nullish(),
  test_split: z.string().nullish(),
});
/** The harness's name for the dataset of a task that is a file. */
const FILES = new Set(['json', 'parquet']);

function taskRecord(report: EvalReport, task: string): TaskRecord {
  const {
    dataset_path: path,
    dataset_name: config,
    test_split: split,
  } = taskConfigSchema.parse(report.configs[task]);
  const {original, effective} = report['n-samples'][task]!;
  const points = report.ztt.thresholds.map((at) => point(at, task));
  return {
    name: task,
    dataset: FILES.has(path) ? null : path,
    config: config ?? null,
    split: split ?? 'test',
    rows: effective,
    of: original,
    points: points.sort((a, b) => b.threshold - a.threshold),
  };
}

function point(at: ThresholdReport, task: string): TaskPoint {
  const {flops_ratio_to_source, flops_per_token, mean_slots} = at.tasks[task]!;
  const results = at.results[task]!;
  const metrics = Object.entries(results).flatMap(([key, value]) => {
    const [metric, filter] = key.split(',');
    if (filter !== 'none' || metric!.endsWith('_stderr') || typeof value !== 'number') return [];
    const stderr = results[`${metric}_stderr,none`];
    return [{name: metric!, value, stderr: typeof stderr === 'number' ? stderr : null}];
  });
  return {threshold: at.threshold, flops_ratio_to_source, flops_per_token, mean_slots, metrics};
}
