import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';
import {gradientsWanted, hasKernel, knownValue, runKernel} from './fused.js';
import {linear} from './linear.js';

/**
 * log(sum(exp(logits))) of each row [N, 1] from its softmax: max(logits) - log(max(p)). The largest p is at
 * least 1 / V, so nothing underflows, and no exponential is computed twice.
 */
export function logSumExp(logits: tf.Tensor, p: tf.Tensor): tf.Tensor {
  return tf.sub(tf.max(logits, 1, true), tf.log(tf.max(p, 1, true)));
}

/** The entry of each row of x [N, V] at its column [N], or of these rows, as [N, 1]. */
function pick(
  x: tf.Tensor,
  columns: tf.Tensor,
  rows: tf.Tensor = tf.range(0, x.shape[0], 1, 'int32'),
): tf.Tensor {
  return tf.reshape(tf.gatherND(x, tf.stack([rows, columns], 1)), [-1, 1]);
}

/**
 * The log-probability of targets, in nats.
 * @param logits - [N, V]
 * @param targets - [M] int32
 * @param rows - [M] int32, the row of logits that each target is of; each row in turn unless given
 * @returns [M]
 */
export function logProbabilities(logits: tf.Tensor2D, targets: tf.Tensor1D, rows?: tf.Tensor1D): tf.Tensor1D {
  return tf.tidy(() => {
    const sums = logSumExp(logits, tf.softmax(logits));
    const own = rows ? tf.gather(sums, rows) : sums;
    return tf.reshape(tf.sub(pick(logits, targets, rows), own), [-1]);
  });
}

/**
 * The weighted mean cross-entropy, in nats.
 * @param logits - [N, V]
 * @param targets - [N] int32, each in [0, V)
 * @param weights - [N], each row's share of the mean; they add up to 1. A row of weight 0 does not count.
 * @returns a scalar
 */
function crossEntropy(logits: tf.Tensor2D, targets: tf.Tensor1D, weights: tf.Tensor1D): tf.Scalar {
  const V = logits.shape[1];
  return customOp([logits], (logits) => {
    const p = tf.softmax(logits);
    const losses = tf.sub(logSumExp(logits, p), pick(logits, targets));
    const column = tf.reshape(weights, [-1, 1]);
    return {
      value: tf.sum(tf.mul(losses, column)),
      saved: [p, targets, column],
      gradient: (dy, saved) => {
        const [p, targets, column] = saved as [tf.Tensor, tf.Tensor1D, tf.Tensor];
        return [tf.mul(tf.sub(p, tf.oneHot(targets, V)), tf.mul(column, dy))];
      },
    };
  }) as tf.Scalar;
}

/**
 * The cross-entropy of the LM head's logits, state times weight transposed. Where the engine has a kernel for it, the
 * logits and their gradient are only ever there for some rows at a time.
 * @param state - [N, D]
 * @param weight - [V, D]
 * @param targets - [N] int32, each in [0, V)
 * @param weights - [N], as for `crossEntropy`
 */
export function headCrossEntropy(
  state: tf.Tensor2D,
  weight: tf.Tensor,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
): tf.Scalar {
  if (!hasKernel('ZttHeadLoss')) return crossEntropy(linear(state, weight, null, 'oi'), targets, weights);
  const gradient = gradientsWanted();
  const weightGradient = gradient && !isFrozen(weight);
  return customOp([state, weight], (state, weight) => {
    // The gradients come with the loss, while a row's logits are there.
    const [value, ...grads] = runKernel(
      'ZttHeadLoss',
      {state, weight, targets, weights},
      {gradient, weightGradient},
    );
    return {
      value,
      saved: grads as tf.Tensor[],
      gradient: (dy, grads) => {
        // It is 1 but for a loss that is a part of another; a copy of the vocabulary's gradient is worth a look.
        const factor = knownValue(dy);
        const scaled = grads.map((grad) => (factor === 1 ? tf.clone(grad) : tf.mul(grad, dy)));
        return weightGradient ? scaled : [...scaled, null];
      },
    };
  }) as tf.Scalar;
}
