import * as tf from '@tensorflow/tfjs-core';
import {logProbabilities} from './cross-entropy.js';
import {hasKernel, runKernel} from './fused.js';

// Shapes: N rows, V vocabulary, M targets.

/**
 * The log-probability of targets in nats, and the most likely token of each row. It has no gradient.
 * @param logits - [N, V]
 * @param targets - [M] int32, each in [0, V)
 * @param rows - [M] int32, the row of logits that each target is of
 */
export function tokenScores(
  logits: tf.Tensor2D,
  targets: tf.Tensor1D,
  rows: tf.Tensor1D,
): {logProbabilities: tf.Tensor1D; best: tf.Tensor1D} {
  if (!hasKernel('ZttTokenScores')) {
    return {logProbabilities: logProbabilities(logits, targets, rows), best: tf.argMax(logits, -1)};
  }
  const [found, best] = runKernel('ZttTokenScores', {logits, targets, rows}, {});
  return {logProbabilities: found as tf.Tensor1D, best: best as tf.Tensor1D};
}
