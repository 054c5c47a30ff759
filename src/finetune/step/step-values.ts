import * as tf from '@tensorflow/tfjs-core';
import {ZttError} from '../../errors.js';
import type {ExitMeasure} from '../../model/index.js';
import {normOf} from './adamw.js';
import type {ExitFinding} from '../records/metrics.js';

/** What a step measured. */
export interface StepResult {
  loss: number;
  lr: number;
  /** Before clipping. */
  gradNorm: number;
  /** Cycles that ran, where they are not the model's. */
  cycles?: number;
  /** What exits would have cost at the slots that the step looked at. */
  exits?: ExitFinding[];
}

/** The same before it is read: its tensors are on the device, and whoever reads them disposes of them. */
export interface StepValues {
  step: number;
  lr: number;
  cycles?: number;
  /** Of each micro-batch, its share of the mean. */
  losses: tf.Tensor[];
  /** The sum of the squares of each gradient. */
  squares: tf.Tensor1D;
  /** What each micro-batch, of this share of the batch, found at exits. */
  exits: {share: number; measure: ExitMeasure}[];
}

/**
 * Reads what steps left, all in one go, and disposes of it.
 * @returns one result a step, in order
 * @throws ZttError naming the first step whose loss or gradients are not finite
 */
export async function readSteps(steps: readonly StepValues[]): Promise<StepResult[]> {
  const tensors = steps.flatMap(({losses, squares, exits}) => [
    ...losses,
    squares,
    ...exits.flatMap(({measure: {cost, harmless, zero}}) => [cost, harmless, zero]),
  ]);
  const all = tf.tidy(() => tf.concat(tensors.map((tensor) => tf.reshape(tensor, [-1]))));
  tf.dispose(tensors);
  const values = (await all.data()) as Float32Array;
  all.dispose();
  let at = 0;
  const next = (count: number) => values.subarray(at, (at += count));
  return steps.map((step) => resultOf(step, next));
}

/** @param next - the values of the step's tensors, in order */
function resultOf(
  {step, lr, cycles, losses, squares, exits}: StepValues,
  next: (count: number) => Float32Array,
): StepResult {
  const loss = sumOf(next(losses.length));
  const gradNorm = normOf(next(squares.size));
  const findings: ExitFinding[] = [];
  for (const {share, measure} of exits) {
    const [cost, harmless, zero] = next(3) as unknown as [number, number, number];
    let sum = findings.find(({slot}) => slot === measure.slot);
    if (!sum) findings.push((sum = {slot: measure.slot, cost: 0, harmless: 0, zero_attention: 0}));
    // The first two are already shares of the whole batch's mean.
    sum.cost += cost;
    sum.harmless += harmless;
    sum.zero_attention += zero * share;
  }
  if (!(Number.isFinite(loss) && Number.isFinite(gradNorm))) {
    throw new ZttError(
      `step ${step}: the loss is ${loss} and the gradient norm ${gradNorm}; lower --lr or lengthen --warmup.`,
    );
  }
  return {
    loss,
    lr,
    gradNorm,
    ...(cycles === undefined ? {} : {cycles}),
    ...(findings.length > 0 ? {exits: findings} : {}),
  };
}

const sumOf = (values: Float32Array): number => values.reduce((sum, value) => sum + value, 0);
