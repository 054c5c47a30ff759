import {mkdir} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {readJson, writeFileWhole} from '../../files/index.js';
import {FileError} from '../../errors.js';
import {curvePointSchema, EXIT_GRANULARITIES, EXIT_SCORES, LAYOUTS} from '../../model/index.js';
import {NOT_AVAILABLE} from '../measures/metrics.js';

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
});

/** Seconds a question; null where none was timed. */
const timingSchema = z
  .object({questions: count, batched_seconds: z.number(), single_seconds: z.number()})
  .nullable();

const bandSchema = z.object({
  from: count,
  to: count,
  questions: count,
  mean_slots: z.number(),
  flops_ratio_to_source: z.number(),
  metrics: z.record(z.string(), value),
});

const thresholdSchema = costSchema.extend({
  threshold: z.number().positive(),
  results: z.record(z.string(), taskResultSchema),
  timing: timingSchema,
  /** What each task cost by itself, and its results by the number of tokens that decided the exit. */
  tasks: z.record(
    z.string(),
    costSchema.extend({timing: timingSchema, by_context_length: z.array(bandSchema)}),
  ),
});

const budgetSchema = z.object({
  /** As it was asked for. */
  budget: z.string(),
  unit: z.enum(['source', 'flops']),
  asked: z.number(),
  threshold: z.number().positive(),
  /** What the threshold costs where it was chosen, and here. */
  calibrated: z.number(),
  achieved: z.number(),
});

/** A number with the middle 95 % of resampled texts; null where it is not defined. */
const estimate = z.object({value: z.number(), low: z.number(), high: z.number()}).nullable();

const signalSchema = z.object({
  correlation: estimate,
  shares: z.array(z.object({share: z.number(), cost: estimate, of_random: estimate})),
});

/** An exit, measured on texts; see `TextExits`. */
const textExitSchema = z.object({
  texts: count,
  slots: z.number(),
  full_slots: z.number(),
  cost: z.number(),
  reliability: z.number(),
  signal: signalSchema,
  context_cost: signalSchema,
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
    exit_score: z.enum(EXIT_SCORES),
    exit_granularity: z.enum(EXIT_GRANULARITIES),
    max_cycles: count.nullable(),
    /** By slot, what stood in place of each threshold there. */
    slot_thresholds: z.record(z.string(), z.number()),
    /** The threshold whose numbers `results` at the top has. */
    results_threshold: z.number().positive(),
    /** In the order in which they were asked for. */
    thresholds: z.array(thresholdSchema).min(1),
    budgets: z.array(budgetSchema),
    /** What budgets' thresholds were chosen on; empty where the model brought its own curve. */
    calibration: z.array(curvePointSchema),
    /** By slot and token, at full depth; null for a layout without zero tokens. */
    zero_attention: z.object({rows: count, by_token: z.array(z.array(z.number().nullable()))}).nullable(),
    /** By task of documents, what each exit costs their windows and whether the signal knows whom; empty without exits. */
    text_exits: z.record(z.string(), z.array(textExitSchema)).default({}),
    /** By task, the best exit of each question, where exits were computed. */
    ceiling: z.record(
      z.string(),
      z.object({
        metrics: z.record(z.string(), value),
        mean_slots: z.number(),
        flops_ratio_to_source: z.number(),
      }),
    ),
  }),
});

/** What `ztt eval --json` prints and `--output` writes. */
export type EvalReport = z.output<typeof resultsSchema>;
export type TaskResult = z.output<typeof taskResultSchema>;
export type ThresholdReport = z.output<typeof thresholdSchema>;
export type BudgetReport = z.output<typeof budgetSchema>;

/** A model's name as part of a path: runs of what file systems refuse become `__`. */
export function sanitiseModelName(name: string): string {
  const clean = name.replace(/["<>:/|\\?*[\]]+/g, '__');
  return /^\.*$/.test(clean) ? '__' : clean;
}

/** Where the results of a model of this name go. */
export const resultsFolder = (output: string, modelName: string): string =>
  join(output, sanitiseModelName(modelName));

/** A file beside the results: what stands before and after the stamp in its name, and its text. */
export interface Companion {
  prefix: string;
  extension: string;
  text: string;
}

/**
 * Writes `output/<model>/results_<local time>.json`, and files beside it of the same stamp, each whole or not at all.
 * @returns the files' paths, that of the results first
 * @throws FileError if one cannot be written
 */
export async function writeResults(
  output: string,
  report: EvalReport,
  companions: readonly Companion[] = [],
): Promise<string[]> {
  const folder = resultsFolder(output, report.model_name);
  try {
    await mkdir(folder, {recursive: true});
  } catch (error) {
    throw new FileError(`${folder} cannot be made: ${(error as NodeJS.ErrnoException).code}.`, {
      cause: error,
    });
  }
  const results = {prefix: 'results', extension: 'json', text: `${JSON.stringify(report, null, 2)}\n`};
  const at = stamp(new Date(report.date * 1000));
  const paths: string[] = [];
  for (const {prefix, extension, text} of [results, ...companions]) {
    const path = join(folder, `${prefix}_${at}.${extension}`);
    await writeFileWhole(path, text);
    paths.push(path);
  }
  return paths;
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
