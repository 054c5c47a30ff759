import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import type {Columns} from './strands.js';

// Shapes: B batch, T tokens, H heads, d head size, N rows.

/**
 * The zero logits: each query times its head's zero key, times the scale. The queries are not rotated.
 * @param q - [B, T, H d]
 * @param key - [H, d]
 * @returns [B, H, T]
 */
export function zeroLogits(q: tf.Tensor3D, key: tf.Tensor, scale: number): tf.Tensor3D {
  return customOp([q, key], (q, key) => {
    const frozen = isFrozen(key);
    return {
      value: hasKernel('ZttZeroLogits')
        ? runKernel('ZttZeroLogits', {q, zeroKey: key}, {scale, at: 0})[0]
        : composedLogits(perHead(q, key), key, scale),
      saved: [q, key],
      gradient: (dLogits, saved) => {
        const [q, key] = saved as [tf.Tensor, tf.Tensor];
        if (!hasKernel('ZttZeroLogitsGradient')) return composedGradient(dLogits, q, key, scale, frozen);
        const dq = tf.zerosLike(q);
        const [dKey] = runKernel('ZttZeroLogitsGradient', {q, zeroKey: key, dLogits, dq}, {scale});
        return [dq, frozen ? null : dKey];
      },
    };
  }) as tf.Tensor3D;
}

/** The zero logits [N, H] of queries in columns of rows. They have no gradient. */
export function rowZeroLogits({rows, at}: Columns, key: tf.Tensor, scale: number): tf.Tensor2D {
  if (hasKernel('ZttZeroLogits')) {
    return runKernel('ZttZeroLogits', {q: rows, zeroKey: key}, {scale, at})[0] as tf.Tensor2D;
  }
  return tf.tidy(() => {
    const [N, [H, d]] = [rows.shape[0], key.shape as [number, number]];
    const q = tf.reshape(tf.slice(rows, [0, at], [-1, H * d]), [N, 1, H, d]);
    return tf.reshape(composedLogits(q, key, scale), [N, H]);
  });
}

/** q [B, T, H d] as [B, T, H, d]. */
function perHead(q: tf.Tensor, key: tf.Tensor): tf.Tensor {
  const [B, T] = q.shape as [number, number];
  return tf.reshape(q, [B, T, ...key.shape]);
}

/** q [B, T, H, d] to [B, H, T]. */
const composedLogits = (q: tf.Tensor, key: tf.Tensor, scale: number): tf.Tensor =>
  tf.mul(tf.transpose(tf.sum(tf.mul(q, key), -1), [0, 2, 1]), scale);

function composedGradient(
  dLogits: tf.Tensor,
  q: tf.Tensor,
  key: tf.Tensor,
  scale: number,
  frozen: boolean,
): (tf.Tensor | null)[] {
  const slopes = tf.mul(tf.expandDims(tf.transpose(dLogits, [0, 2, 1]), -1), scale);
  const dq = tf.reshape(tf.mul(slopes, key), q.shape);
  return [dq, frozen ? null : tf.sum(tf.mul(slopes, perHead(q, key)), [0, 1])];
}
