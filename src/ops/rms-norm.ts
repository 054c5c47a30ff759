import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';
import {sumRows} from './structure.js';

/**
 * RMS norm over the last axis: x weight / sqrt(mean(x^2) + epsilon) (Zhang & Sennrich, arXiv 1910.07467).
 * @param x - [..., C]
 * @param weight - [C]
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, epsilon: number): T {
  return customOp([x, weight], (x, weight) => {
    const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
    const normal = tf.mul(x, scale);
    const frozen = isFrozen(weight);
    return {
      value: tf.mul(normal, weight),
      saved: [normal, scale, weight],
      gradient: (dy, saved) => {
        const [normal, scale, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const dNormal = tf.mul(dy, weight);
        const along = tf.mean(tf.mul(dNormal, normal), -1, true);
        const dx = tf.mul(tf.sub(dNormal, tf.mul(normal, along)), scale);
        if (frozen) return [dx, null];
        const perRow = tf.mul(dy, normal);
        return [dx, sumRows(tf.reshape(perRow, [-1, perRow.shape.at(-1)!]))];
      },
    };
  }) as T;
}
