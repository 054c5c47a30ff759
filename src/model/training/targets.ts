import * as tf from '@tensorflow/tfjs-core';
import {UsageError} from '../../errors.js';

// Shapes: B batch, T tokens.

/**
 * For each token [B][T], whether predicting it counts in the loss: false is PyTorch's label -100. A row's first token
 * never counts, as nothing predicts it.
 */
export type LossMask = readonly (readonly boolean[])[];

/** What each position predicts and what that weighs in the loss: [B T] each. */
export interface Targets {
  next: tf.Tensor1D;
  weights: tf.Tensor1D;
}

/**
 * The targets of a batch: the next tokens of ids [B, T] int32, as far as the mask lets them count.
 * @param count - how many targets the mean is over; the batch's own unless given. Without any, all weigh nothing.
 * @throws UsageError for a mask of another shape
 */
export function targetsOf(ids: tf.Tensor2D, lossMask?: LossMask, count?: number): Targets {
  const [B, T] = ids.shape;
  if (lossMask && (lossMask.length !== B || lossMask.some((row) => row.length !== T))) {
    throw new UsageError(`the loss mask must have the shape of the ids: ${B} rows of ${T}.`);
  }
  // The last position has no next token: it is computed with the rest and weighs nothing.
  const counted = Array.from({length: B * T}, (_, i) => {
    const t = i % T;
    return t < T - 1 && (lossMask?.[Math.floor(i / T)]![t + 1] ?? true);
  });
  const own = counted.filter((counts) => counts).length;
  const share = own === 0 ? 0 : 1 / (count ?? own);
  const next = tf.pad(tf.slice(ids, [0, 1], [B, T - 1]), [
    [0, 0],
    [0, 1],
  ]);
  return {
    next: tf.reshape(next, [B * T]),
    weights: tf.tensor1d(Float32Array.from(counted, (counts) => (counts ? share : 0))),
  };
}
