import {z} from 'zod';

const item = z.object({value: z.number(), weight: z.number()});

/** What a model gave on a task at a threshold. */
const taskSchema = z.object({
  /** What it is judged by: acc, or bits_per_byte where nothing is right or wrong. */
  metric: z.string(),
  /** By question or document (see `Item`). */
  items: z.array(item).min(1),
  flops_ratio_to_source: z.number(),
  mean_slots: z.number(),
});

const heldOutSchema = z.object({
  /** Mean next-token cross-entropy of the tokens after each block's context, in nats. */
  loss: z.number(),
  mean_slots: z.number(),
  flops_per_token: z.number(),
});

/** What came of one model: of the source, or of a run of a variant with a seed. */
export const outcomeSchema = z.object({
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
      /** The held-out text at full depth before the first step: for vanilla, the source's. */
      before: heldOutSchema.nullable(),
    })
    .nullable(),
  thresholds: z.array(
    z.object({
      threshold: z.number(),
      tasks: z.record(z.string(), taskSchema),
      /** Null where no text was held out. */
      held_out: heldOutSchema.nullable(),
    }),
  ),
});

export type Outcome = z.output<typeof outcomeSchema>;
export type TaskOutcome = z.output<typeof taskSchema>;
export type HeldOutOutcome = z.output<typeof heldOutSchema>;
