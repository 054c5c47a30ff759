import {z} from 'zod';
import {EXIT_GRANULARITIES} from './exits/granularity.js';
import {EXIT_SCORES} from './exits/signals.js';

const count = z.number().int().nonnegative();

/** A number, and the ends of its 95 % interval. */
const estimateSchema = z.object({value: z.number(), low: z.number(), high: z.number()});

/** A threshold, and what it gives over some tasks. */
export const curvePointSchema = z.object({
  threshold: z.number().positive(),
  /** The mean over tasks of the share of right answers; null where no task asks questions. */
  accuracy: estimateSchema.nullable(),
  /** All FLOPs over those of the source. */
  flops_ratio: estimateSchema,
  flops_per_token: z.number(),
  mean_slots: z.number(),
});

export type CurvePoint = z.output<typeof curvePointSchema>;

/** What `ztt calibrate` leaves in a model's config: how its threshold was chosen, and what others would give. */
export const calibrationSchema = z.object({
  tasks: z.array(z.object({name: z.string(), dataset: z.string(), split: z.string(), questions: count})),
  /** What the threshold was chosen for: a largest fall in accuracy, as a share, or a budget as it was written. */
  target: z.union([z.object({max_drop: z.number()}), z.object({budget: z.string()})]),
  exit_from_cycle: count,
  exit_score: z.enum(EXIT_SCORES),
  exit_granularity: z.enum(EXIT_GRANULARITIES),
  threshold: z.number().positive(),
  /** From full depth to exits everywhere. */
  points: z.array(curvePointSchema).min(1),
});

export type Calibration = z.output<typeof calibrationSchema>;
