import type {LrSchedule} from '../options.js';

/** What a falling learning rate ends at, as a share of its peak. */
const FINAL_SHARE = 0.1;

/** From 1 where a schedule begins to 0 where it ends, by the share of the way that is done. */
const SHAPES: Record<LrSchedule, (progress: number) => number> = {
  cosine: (progress) => (1 + Math.cos(Math.PI * progress)) / 2,
  linear: (progress) => 1 - progress,
  constant: () => 1,
};

/** What the learning rate of a step depends on. */
export interface LrOptions {
  /** Steps in all. */
  steps: number;
  /** Steps of linear warm-up. */
  warmup: number;
  /** Peak learning rate. */
  lr: number;
  lrSchedule: LrSchedule;
}

/**
 * The learning rate of a step (1-based): linear warm-up to the peak, then along a half cosine or a line down to a tenth
 * of it, or as it is.
 */
export function learningRate(step: number, {steps, warmup, lr, lrSchedule}: LrOptions): number {
  if (step <= warmup) return (lr * step) / warmup;
  const progress = (step - warmup) / Math.max(1, steps - warmup);
  return lr * (FINAL_SHARE + (1 - FINAL_SHARE) * SHAPES[lrSchedule](progress));
}
