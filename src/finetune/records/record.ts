import {z} from 'zod';

/** Share of the running mean that each step keeps: a memory of about ten steps. */
const MEMORY = 0.9;
/** A running mean above this many times its lowest, and half a nat, is an explosion: no spike reaches it. */
const EXPLOSION = {factor: 1.5, nats: 0.5};

export const recordSchema = z.object({
  /** Training FLOPs so far. */
  flops: z.number(),
  /** The evaluation with the lowest held-out loss so far. */
  best: z.object({step: z.number(), loss: z.number()}).nullable(),
  /** Evaluations since the best. */
  evaluations_since_best: z.number(),
  /** The exponential running mean of the loss, and its lowest value. */
  running_loss: z.object({mean: z.number(), lowest: z.number()}).nullable(),
  /** Whether early stopping has ended the run. */
  stopped_early: z.boolean(),
});

/** What a run remembers besides its weights, moments and step: it is saved with each checkpoint. */
export type RunRecord = z.output<typeof recordSchema>;

export const NEW_RECORD: RunRecord = {
  flops: 0,
  best: null,
  evaluations_since_best: 0,
  running_loss: null,
  stopped_early: false,
};

/** The record after a step's loss and FLOPs. */
export function afterStep(record: RunRecord, loss: number, flops: number): RunRecord {
  const before = record.running_loss;
  const mean = before ? MEMORY * before.mean + (1 - MEMORY) * loss : loss;
  const lowest = Math.min(before?.lowest ?? mean, mean);
  return {...record, flops: record.flops + flops, running_loss: {mean, lowest}};
}

/** The record after an evaluation at a step. */
export function afterEvaluation(record: RunRecord, step: number, loss: number): RunRecord {
  const better = record.best === null || loss < record.best.loss;
  return better
    ? {...record, best: {step, loss}, evaluations_since_best: 0}
    : {...record, evaluations_since_best: record.evaluations_since_best + 1};
}

/** Whether the loss, over about ten steps, has risen so far that the run is lost. */
export function exploded({running_loss: running}: RunRecord): boolean {
  return running !== null && running.mean > EXPLOSION.factor * running.lowest + EXPLOSION.nats;
}
