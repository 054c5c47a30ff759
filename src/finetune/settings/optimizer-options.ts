import {requireReal, requireWhole, UsageError} from '../../errors.js';
import {LR_SCHEDULES, type LrSchedule} from './schedule.js';

export interface AdamWOptions {
  beta1: number;
  beta2: number;
  epsilon: number;
  /** Decoupled: each step takes lr x weightDecay of the parameter. */
  weightDecay: number;
}

/** Those of torch.optim.AdamW. */
export const ADAMW_DEFAULTS: AdamWOptions = {beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01};

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
 * The optimiser's settings, with defaults filled in: peak 1e-4 after a warm-up over a tenth of the steps (at most
 * 100), then a cosine; AdamW as in PyTorch; clipping at norm 1; one micro-batch.
 * @throws UsageError naming the option and what it may be
 */
export function optimizerSettings(options: Partial<OptimizerSettings>, steps: number): OptimizerSettings {
  const settings = {
    lr: options.lr ?? 1e-4,
    lrSchedule: options.lrSchedule ?? 'cosine',
    warmup: options.warmup ?? Math.min(100, Math.ceil(steps / 10)),
    weightDecay: options.weightDecay ?? ADAMW_DEFAULTS.weightDecay,
    beta1: options.beta1 ?? ADAMW_DEFAULTS.beta1,
    beta2: options.beta2 ?? ADAMW_DEFAULTS.beta2,
    epsilon: options.epsilon ?? ADAMW_DEFAULTS.epsilon,
    clipNorm: options.clipNorm ?? 1,
    accumulate: options.accumulate ?? 1,
  };
  requireWhole('warmup', settings.warmup, 0, 1e9);
  requireWhole('accumulate', settings.accumulate, 1, 1e6);
  if (!LR_SCHEDULES.includes(settings.lrSchedule)) {
    throw new UsageError(
      `lr-schedule is ${JSON.stringify(settings.lrSchedule)}; it must be ${LR_SCHEDULES.join(', ')}.`,
    );
  }
  const {lr, weightDecay, beta1, beta2, epsilon, clipNorm} = settings;
  requireReal('lr', lr, lr > 0 && lr <= 1, 'above 0 and at most 1');
  requireReal('weight-decay', weightDecay, weightDecay >= 0 && weightDecay <= 1, 'from 0 to 1');
  requireReal('beta1', beta1, beta1 >= 0 && beta1 < 1, 'from 0 to below 1');
  requireReal('beta2', beta2, beta2 >= 0 && beta2 < 1, 'from 0 to below 1');
  requireReal('epsilon', epsilon, epsilon > 0 && epsilon <= 1, 'above 0 and at most 1');
  requireReal('clip-norm', clipNorm, clipNorm >= 0 && clipNorm < Infinity, '0 (no clipping) or above');
  return settings;
}
