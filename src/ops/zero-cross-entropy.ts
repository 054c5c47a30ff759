import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

/** Keep logarithms and the slope finite where zero attention is 0 or 1. */
const LEAST = 1e-12;
const MOST = 1 - 1e-6;

/**
 * The weighted binary cross-entropy, in nats, of zero attention as the probability of what the targets say, averaged
 * over the heads: -sum w mean_h (y log z_h + (1 - y) log(1 - z_h)). Its slope by a head's zero logit is z_h - y: it
 * moves a head also where that head's zero attention is next to 0, which one of the heads' mean would not.
 * @param zero - z [B, H, T]
 * @param targets - y [B, T], each from 0 to 1
 * @param weights - w [B, T]
 * @returns a scalar
 */
export function zeroCrossEntropy(zero: tf.Tensor3D, targets: tf.Tensor2D, weights: tf.Tensor2D): tf.Scalar {
  const H = zero.shape[1];
  return customOp([zero], (zero) => {
    const z = tf.clipByValue(zero, LEAST, MOST);
    const y = tf.expandDims(targets, 1);
    const w = tf.div(tf.expandDims(weights, 1), H);
    const likelihood = tf.add(tf.mul(y, tf.log(z)), tf.mul(tf.sub(1, y), tf.log(tf.sub(1, z))));
    return {
      value: tf.neg(tf.sum(tf.mul(w, likelihood))),
      saved: [z, y, w],
      gradient: (dy, saved) => {
        const [z, y, w] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const slope = tf.div(tf.sub(z, y), tf.mul(z, tf.sub(1, z)));
        return [tf.mul(tf.mul(slope, w), dy)];
      },
    };
  }) as tf.Scalar;
}
