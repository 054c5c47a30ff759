import {z} from 'zod';
import {exists, jsonSha256, readText, writeFileWhole} from '../files/index.js';
import {FileError} from '../errors.js';

const item = z.object({value: z.number(), weight: z.number()});

/** What a model gave on a task, or on held-out text, at a threshold. */
const taskSchema = z.object({
  /** What it is judged by: acc, bits_per_byte where nothing is right or wrong, or loss in nats a token. */
  metric: z.string(),
  /** By question or document (see `Item`). */
  items: z.array(item).min(1),
  flops_ratio_to_source: z.number(),
  mean_slots: z.number(),
});

/** What came of one model: of the source, or of a run of a variant with a seed. */
const outcomeSchema = z.object({
  version: z.literal(1, 'this version of ztt reads comparisons of version 1'),
  parameters: z.number(),
  /** Slots at full depth. */
  slots: z.number(),
  engine: z.string(),
  /** Null for the source. */
  training: z
    .object({
      steps: z.number(),
      flops: z.number(),
      /** The held-out text's loss at full depth before the first step, in nats a token: for vanilla, the source's. */
      before: z.number().nullable(),
    })
    .nullable(),
  exits: z
    .array(
      z.object({
        /** 1 where the thresholds are learned. */
        threshold: z.number(),
        /** The share of the training text's sequences that the threshold was chosen by; null where it was given. */
        share: z.number().nullable().default(null),
        /** The thresholds of slots that were learned with a penalty, in nats a token for the compute of one source. */
        learned: z
          .object({penalty: z.number(), slot_thresholds: z.record(z.string(), z.number())})
          .nullable(),
        tasks: z.record(z.string(), taskSchema),
        /** By sequence; null where no text was held out. */
        held_out: taskSchema.nullable(),
      }),
    )
    .min(1),
});

export type Outcome = z.output<typeof outcomeSchema>;
export type TaskOutcome = z.output<typeof taskSchema>;
export type LearnedExits = NonNullable<Outcome['exits'][number]['learned']>;

/** Writes an outcome, with the sha256 of its content, by which damage is seen. @throws FileError */
export async function writeOutcome(path: string, outcome: Outcome): Promise<void> {
  const content = outcomeSchema.parse(outcome);
  await writeFileWhole(path, `${JSON.stringify({...content, sha256: jsonSha256(content)})}\n`);
}

/** An outcome that was written; null where there is none, or one that is not as it was written: it is made anew. */
export async function readOutcome(path: string): Promise<Outcome | null> {
  if (!(await exists(path))) return null;
  let value: unknown;
  try {
    value = JSON.parse(await readText(path));
  } catch (error) {
    if (error instanceof FileError) throw error;
    return null;
  }
  const {success, data} = outcomeSchema.safeParse(value);
  return success && (value as {sha256?: unknown}).sha256 === jsonSha256(data) ? data : null;
}
