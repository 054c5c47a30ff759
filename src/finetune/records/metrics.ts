import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {asFileError, exists, parseWith, readText, writeFileWhole} from '../../files/index.js';
import {FormatError} from '../../errors.js';

const METRICS = 'metrics.jsonl';

/** What a run's held-out text gave at one threshold, over tokens after each block's context. */
const exitSchema = z.object({
  threshold: z.number(),
  /** Mean next-token cross-entropy of the tokens after the context, in nats. */
  loss: z.number(),
  /** Slots run, averaged over the blocks. */
  mean_slots: z.number(),
  /** Forward FLOPs over tokens read. */
  flops_per_token: z.number(),
  /** Blocks by the number of slots they ran. */
  exits_by_slot: z.record(z.string(), z.number()),
});

const heldOutSchema = z.object({
  /** Mean next-token cross-entropy of all tokens at full depth, in nats. */
  loss: z.number(),
  /** By slot: the mean over heads and each block's context, which is what an exit compares. Empty without zero tokens. */
  zero_attention: z.array(z.number()),
  /** Full depth (threshold 1) and each threshold asked for. */
  exits: z.array(exitSchema),
  blocks: z.number(),
  seconds: z.number(),
});

/** What an exit before a slot would have done to a step's batch: means over its tokens. */
const exitFindingSchema = z.object({
  slot: z.number(),
  /** What it costs, in nats a token. */
  cost: z.number(),
  /** The share of tokens for which that is at most the run's margin. */
  harmless: z.number(),
  /** The slot's zero attention. */
  zero_attention: z.number(),
});

/** One line of metrics.jsonl. That of step 0 has the held-out text's numbers before training, and no others. */
const metricsSchema = z.looseObject({
  step: z.number().int().nonnegative(),
  /** Mean next-token cross-entropy of the step's batch, in nats, before its update. */
  loss: z.number().optional(),
  lr: z.number().optional(),
  /** Before clipping. */
  grad_norm: z.number().optional(),
  tokens_per_second: z.number().optional(),
  /** Training FLOPs since the run began: three forward passes of the slots run. */
  flops: z.number().optional(),
  /** Cycles that ran in the step. */
  cycles: z.number().optional(),
  /** By slot, in the step's batch, where training measures it. */
  zero_attention: z.array(z.number()).optional(),
  /** At the slots whose exits the step looked at. */
  exits: z.array(exitFindingSchema).optional(),
  held_out: heldOutSchema.optional(),
});

export type ExitFinding = z.output<typeof exitFindingSchema>;
export type HeldOutMetrics = z.output<typeof heldOutSchema>;
export type ExitMetrics = z.output<typeof exitSchema>;
export type MetricsLine = z.output<typeof metricsSchema>;
/** The line of a step that was trained. */
export type StepMetrics = MetricsLine &
  Required<Pick<MetricsLine, 'loss' | 'lr' | 'grad_norm' | 'tokens_per_second' | 'flops'>>;

/**
 * The lines of a run's metrics.jsonl, in order. A last line without its end, of a run that was killed, is left out.
 * @throws FileError if it cannot be read, FormatError naming a line that is none
 */
export async function readMetrics(run: string): Promise<MetricsLine[]> {
  const path = join(run, METRICS);
  const lines = (await readText(path)).split('\n').slice(0, -1);
  return lines.map((line, i) => parseLine(line, `${path}, line ${i + 1}`));
}

function parseLine(line: string, where: string): MetricsLine {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new FormatError(`${where} is no valid JSON: ${(error as Error).message}.`, {cause: error});
  }
  return parseWith(metricsSchema, value, where);
}

/** Adds a line. @throws FileError if the disk refuses it */
export async function appendMetrics(run: string, line: MetricsLine): Promise<void> {
  const path = join(run, METRICS);
  await writeFile(path, `${JSON.stringify(line)}\n`, {flag: 'a'}).catch((error: unknown) => {
    throw asFileError(error, path);
  });
}

/** Cuts metrics.jsonl to the steps up to this one; 0 cuts all. What a kill left half written goes as well. */
export async function truncateMetrics(run: string, step: number): Promise<void> {
  const path = join(run, METRICS);
  if (!(await exists(path))) return;
  const text = await readText(path);
  const whole = text.split('\n').slice(0, -1);
  const kept = whole.filter((line, i) => step > 0 && parseLine(line, `${path}, line ${i + 1}`).step <= step);
  await writeFileWhole(path, kept.map((line) => `${line}\n`).join(''));
}
