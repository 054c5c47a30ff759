import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {readJson, writeFileWhole} from '../checkpoint/index.js';
import {FileError} from '../errors.js';
import {LAYOUTS} from '../model/index.js';
import {NOT_AVAILABLE} from './metrics.js';

const count = z.number().int().nonnegative();
const value = z.union([z.number(), z.literal(NOT_AVAILABLE)]);

/** A task's numbers: `metric,none` and `metric_stderr,none`, as the harness names them. */
const taskResultSchema = z
  .object({name: z.string(), alias: z.string(), sample_len: count})
  .catchall(z.union([value, z.string()]));

const costSchema = z.object({
  rows: count,
  tokens: count,
  mean_slots: z.number(),
  flops_per_token: z.number(),
  flops_ratio_to_source: z.number(),
  exits_by_slot: z.record(z.string(), count),
  seconds: z.number(),
});

const thresholdSchema = costSchema.extend({
  threshold: z.number().positive(),
  results: z.record(z.string(), taskResultSchema),
  /** What each task cost by itself. */
  tasks: z.record(z.string(), costSchema),
});

/** The results file: lm-evaluation-harness 0.4's keys, and `ztt`. */
export const resultsSchema = z.looseObject({
  results: z.record(z.string(), taskResultSchema),
  group_subtasks: z.record(z.string(), z.array(z.string())),
  configs: z.record(z.string(), z.looseObject({})),
  versions: z.record(z.string(), z.number()),
  'n-shot': z.record(z.string(), count),
  higher_is_better: z.record(z.string(), z.record(z.string(), z.boolean())),
  'n-samples': z.record(z.string(), z.object({original: count, effective: count})),
  config: z.looseObject({
    model: z.string(),
    model_args: z.looseObject({pretrained: z.string()}),
    model_num_parameters: count,
    limit: count.nullable(),
    bootstrap_iters: count,
  }),
  /** Seconds since 1970. */
  date: z.number(),
  max_length: count,
  model_source: z.string(),
  model_name: z.string(),
  model_name_sanitized: z.string(),
  total_evaluation_time_seconds: z.string(),
  ztt: z.object({
    version: z.literal(1, 'this version of ztt reads results of version 1'),
    engine: z.object({name: z.string(), device: z.string(), version: z.string(), threads: count}),
    layout: z.enum(LAYOUTS),
    head: count,
    middle: count,
    tail: count,
    cycles: count,
    /** Slots at full depth. */
    slots: count,
    parameters: z.object({all: count, without_embeddings: count}),
    exit_from_cycle: count,
    /** The threshold whose numbers `results` at the top has. */
    results_threshold: z.number().positive(),
    /** In the order in which they were asked for. */
    thresholds: z.array(thresholdSchema).min(1),
  }),
});

/** What `ztt eval --json` prints and `--output` writes. */
export type EvalReport = z.output<typeof resultsSchema>;
export type TaskResult = z.output<typeof taskResultSchema>;
export type ThresholdReport = z.output<typeof thresholdSchema>;

/** A model's name as part of a path: runs of what file systems refuse become `__`. */
export function sanitiseModelName(name: string): string {
  const clean = name.replace(/["<>:/|\\?*[\]]+/g, '__');
  return /^\.*$/.test(clean) ? '__' : clean;
}

/**
 * Writes `output/<model>/results_<local time>.json`, whole or not at all.
 * @returns the file's path
 * @throws FileError if it cannot be written
 */
export async function writeResults(output: string, report: EvalReport): Promise<string> {
  const folder = join(output, report.model_name_sanitized);
  const path = join(folder, `results_${stamp(new Date(report.date * 1000))}.json`);
  try {
    await mkdir(folder, {recursive: true});
  } catch (error) {
    throw new FileError(`${folder} cannot be made: ${(error as NodeJS.ErrnoException).code}.`, {
      cause: error,
    });
  }
  await writeFileWhole(path, `${JSON.stringify(report, null, 2)}\n`);
  return path;
}

/** Reads a results file that `writeResults` wrote. @throws FileError, FormatError */
export async function readResults(path: string): Promise<EvalReport> {
  return readJson(path, resultsSchema);
}

/** Local ISO time without a zone, its colons `-`. */
function stamp(date: Date): string {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, -1).replaceAll(':', '-');
}
