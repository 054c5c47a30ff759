import {checkOptions, withDefaults} from '../../options/index.js';
import {OPTIMIZER_OPTIONS, WARMUP, type LrSchedule} from '../options.js';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled: each step takes lr x weightDecay of the parameter. */
  weightDecay: number;
}

const {beta1, beta2, epsilon, 'weight-decay': weightDecay} = OPTIMIZER_OPTIONS;

/** Those of torch.optim.AdamW. */
export const ADAMW_DEFAULTS: AdamWOptions = {
  beta1: beta1.default,
  beta2: beta2.default,
  epsilon: epsilon.default,
  weightDecay: weightDecay.default,
};

/** How a step updates the weights. */
export interface OptimizerSettings extends AdamWOptions {
  /** Peak learning rate. */
  lr: number;
  lrSchedule: LrSchedule;
  /** Steps of linear warm-up. */
  warmup: number;
  /** Gradients are scaled down to this global norm; 0 leaves them as they are. */
  clipNorm: number;
  /** Micro-batches a step: their gradients are added up before the update, as if they were one batch. */
  accumulate: number;
}

/**
 * The optimiser's settings, with defaults filled in.
 * @param steps - of the run, which decide how many are warm-up
 * @throws UsageError naming the option and what it may be
 */
export function optimizerSettings(options: Partial<OptimizerSettings>, steps: number): OptimizerSettings {
  checkOptions(OPTIMIZER_OPTIONS, options);
  const warmup = Math.min(WARMUP.atMost, Math.ceil(steps / WARMUP.oneIn));
  return withDefaults(OPTIMIZER_OPTIONS, options, {warmup});
}
