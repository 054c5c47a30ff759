import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen, type OpResult} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {sumRows} from './structure.js';

/**
 * Layer norm over the last axis, with the biased variance (Ba et al., arXiv 1607.06450).
 * @param x - [..., C]
 * @param affine - weight and bias, each [C], or null for none
 */
export function layerNorm<T extends tf.Tensor>(
  x: T,
  affine: {weight: tf.Tensor; bias: tf.Tensor} | null,
  epsilon: number,
): T {
  const inputs = affine ? [x, affine.weight, affine.bias] : [x];
  return customOp(inputs, (x, weight, bias) =>
    (hasKernel('ZttLayerNorm') ? fused : composed)(x, weight, bias, epsilon),
  ) as T;
}

type NormOp = (
  x: tf.Tensor,
  weight: tf.Tensor | undefined,
  bias: tf.Tensor | undefined,
  epsilon: number,
) => OpResult;

const fused: NormOp = (x, weight, bias, epsilon) => {
  const frozen = isFrozen(weight) && isFrozen(bias);
  const [value, stats] = runKernel('ZttLayerNorm', {x, weight, bias}, {epsilon});
  return {
    value,
    saved: weight ? [x, stats, weight] : [x, stats],
    gradient: (dy, saved) => {
      const [x, stats, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
      const inputs = {x, stats, weight, dy};
      const [dx, ...affine] = runKernel('ZttLayerNormGradient', inputs, {affine: !frozen});
      return [dx, ...(weight && frozen ? [null, null] : (affine as tf.Tensor[]))];
    },
  };
};

const composed: NormOp = (x, weight, bias, epsilon) => {
  const frozen = isFrozen(weight) && isFrozen(bias);
  const centred = tf.sub(x, tf.mean(x, -1, true));
  const variance = tf.mean(tf.square(centred), -1, true);
  const scale = tf.rsqrt(tf.add(variance, epsilon));
  const normal = tf.mul(centred, scale);
  return {
    value: weight && bias ? tf.add(tf.mul(normal, weight), bias) : normal,
    saved: weight ? [normal, scale, weight] : [normal, scale],
    gradient: (dy, saved) => {
      const [normal, scale, weight] = saved as [tf.Tensor, tf.Tensor, tf.Tensor?];
      const dNormal = weight ? tf.mul(dy, weight) : dy;
      const along = tf.mean(tf.mul(dNormal, normal), -1, true);
      const centredGrad = tf.sub(tf.sub(dNormal, tf.mean(dNormal, -1, true)), tf.mul(normal, along));
      const dx = tf.mul(centredGrad, scale);
      if (!weight) return [dx];
      if (frozen) return [dx, null, null];
      const rows = (t: tf.Tensor) => sumRows(tf.reshape(t, [-1, t.shape.at(-1)!]));
      return [dx, rows(tf.mul(dy, normal)), rows(dy)];
    },
  };
};
