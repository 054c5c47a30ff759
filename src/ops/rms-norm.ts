import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen, type OpResult} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {sumRows} from './structure.js';

/**
 * RMS norm over the last axis: x (weight + offset) / sqrt(mean(x^2) + epsilon) (Zhang & Sennrich, arXiv 1910.07467).
 * @param x - [..., C]
 * @param weight - [C]
 * @param offset - 1 where checkpoints store the weight less 1, else 0
 */
export function rmsNorm<T extends tf.Tensor>(x: T, weight: tf.Tensor, epsilon: number, offset: 0 | 1 = 0): T {
  return customOp([x, weight], (x, weight) =>
    (hasKernel('ZttRmsNorm') ? fused : composed)(x, weight, epsilon, offset),
  ) as T;
}

type NormOp = (x: tf.Tensor, weight: tf.Tensor, epsilon: number, offset: 0 | 1) => OpResult;

const fused: NormOp = (x, weight, epsilon, offset) => {
  const trained = !isFrozen(weight);
  const [value, stats] = runKernel('ZttRmsNorm', {x, weight}, {epsilon, offset});
  return {
    value,
    saved: [x, stats, weight],
    gradient: (dy, saved) => {
      const [x, stats, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const inputs = {x, stats, weight, dy};
      const [dx, dWeight] = runKernel('ZttRmsNormGradient', inputs, {offset, trained});
      return [dx, dWeight ?? null];
    },
  };
};

const composed: NormOp = (x, weight, epsilon, offset) => {
  const scale = tf.rsqrt(tf.add(tf.mean(tf.square(x), -1, true), epsilon));
  const normal = tf.mul(x, scale);
  const factor = offset === 0 ? weight : tf.add(weight, offset);
  const frozen = isFrozen(weight);
  return {
    value: tf.mul(normal, factor),
    saved: [normal, scale, factor],
    gradient: (dy, saved) => {
      const [normal, scale, factor] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
      const dNormal = tf.mul(dy, factor);
      const along = tf.mean(tf.mul(dNormal, normal), -1, true);
      const dx = tf.mul(tf.sub(dNormal, tf.mul(normal, along)), scale);
      if (frozen) return [dx, null];
      const perRow = tf.mul(dy, normal);
      return [dx, sumRows(tf.reshape(perRow, [-1, perRow.shape.at(-1)!]))];
    },
  };
};
