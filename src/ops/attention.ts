import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

// Shapes: B batch, H heads, T tokens, d head size. Z is 1 with a zero token and 0 without: the zero token is
// key 0 with the zero vector as its value, so that scores, softmax and weighted values are one product each.

/** Far below any logit, and finite: its exponential is exactly zero. */
export const MASKED = -1e9;

/**
 * What is added to the logits: 0 where query i may see key j, else far below. Every query sees the zero token.
 * @param window - the last keys that a query sees, its own among them; null for all
 * @returns [T, Z + T]
 */
export function causalMask(tokens: number, zeroTokens: 0 | 1, window: number | null = null): tf.Tensor2D {
  const columns = zeroTokens + tokens;
  const mask = new Float32Array(tokens * columns);
  for (let i = 0; i < tokens; i++) {
    const keys = i * columns + zeroTokens;
    mask.fill(MASKED, keys + i + 1, (i + 1) * columns);
    if (window !== null) mask.fill(MASKED, keys, keys + Math.max(0, i + 1 - window));
  }
  return tf.tensor2d(mask, [tokens, columns]);
}

function withZeroKey(k: tf.Tensor, zeroKey: tf.Tensor | undefined): tf.Tensor {
  if (!zeroKey) return k;
  const [B, H, , d] = k.shape as [number, number, number, number];
  return tf.concat([tf.tile(tf.reshape(zeroKey, [1, H, 1, d]), [B, 1, 1, 1]), k], 2);
}

/**
 * softmax(q [k_zero, k]^T scale + mask), over the zero token and the keys.
 * @param q - [B, H, Q, d]
 * @param k - [B, H, T, d]
 * @param zeroKey - [H, d], or undefined for no zero token
 * @param mask - `causalMask(T, Z)`, or what else is added to the logits
 * @returns [B, H, Q, Z + T]; with a zero token, column 0 is the zero attention
 */
export function attentionWeights(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  zeroKey: tf.Tensor | undefined,
  scale: number,
  mask: tf.Tensor,
): tf.Tensor4D {
  const [, H, , d] = q.shape;
  const T = k.shape[2];
  return customOp(zeroKey ? [q, k, zeroKey] : [q, k], (q, k, zeroKey) => {
    const keys = withZeroKey(k, zeroKey);
    const scaled = tf.mul(q, scale);
    const p = tf.softmax(tf.add(tf.matMul(scaled, keys, false, true), mask));
    return {
      value: p,
      saved: [scaled, keys, p],
      gradient: (dp, saved) => {
        const [scaled, keys, p] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const weighted = tf.mul(dp, p);
        const dLogits = tf.sub(weighted, tf.mul(p, tf.sum(weighted, -1, true)));
        const dq = tf.mul(tf.matMul(dLogits, keys), scale);
        const dKeys = tf.matMul(dLogits, scaled, true);
        if (!zeroKey) return [dq, dKeys];
        const dk = tf.slice(dKeys, [0, 0, 1, 0], [-1, -1, T, -1]);
        const dZero = tf.sum(tf.slice(dKeys, [0, 0, 0, 0], [-1, -1, 1, -1]), 0);
        return [dq, dk, tf.reshape(dZero, [H, d])];
      },
    };
  }) as tf.Tensor4D;
}

/**
 * p [0, v]: the values, weighted; the zero token's is the zero vector.
 * @param p - [B, H, Q, Z + T], from `attentionWeights`
 * @param v - [B, H, T, d]
 * @returns [B, H, Q, d]
 */
export function weightedValues(p: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  const [B, H, T, d] = v.shape;
  const zeroTokens = p.shape[3] - T;
  return customOp([p, v], (p, v) => {
    const values = zeroTokens ? tf.concat([tf.zeros([B, H, zeroTokens, d]), v], 2) : v;
    return {
      value: tf.matMul(p, values),
      saved: [p, values],
      gradient: (dy, saved) => {
        const [p, values] = saved as [tf.Tensor, tf.Tensor];
        const dValues = tf.matMul(p, dy, true);
        return [
          tf.matMul(dy, values, false, true),
          zeroTokens ? tf.slice(dValues, [0, 0, zeroTokens, 0], [-1, -1, T, -1]) : dValues,
        ];
      },
    };
  }) as tf.Tensor4D;
}

/** The zero attention: column 0 of the weights. @param p - [B, H, T, 1 + T] @returns [B, H, T] */
export function zeroAttention(p: tf.Tensor4D): tf.Tensor3D {
  const [B, H, T, keys] = p.shape;
  return customOp([p], (p) => ({
    value: tf.reshape(tf.slice(p, [0, 0, 0, 0], [-1, -1, -1, 1]), [B, H, T]),
    saved: [],
    gradient: (dz) => [
      tf.pad(tf.reshape(dz, [B, H, T, 1]), [
        [0, 0],
        [0, 0],
        [0, 0],
        [0, keys - 1],
      ]),
    ],
  })) as tf.Tensor3D;
}
