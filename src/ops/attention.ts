import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

// Shapes: B batch, H heads, T tokens, Q queries, d head size. Z is 1 with a zero token and 0 without: the zero token is
// column 0 of the weights, with the zero vector as its value.

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

/**
 * Queries and keys of d + 1 numbers: the last is a query's zero logit, which only the zero token's key 0, (0, ..., 0, 1),
 * takes up. So logits stay one product, and no larger tensor is copied.
 */
function withZeroLogits(q: tf.Tensor, k: tf.Tensor, logits: tf.Tensor): [q: tf.Tensor, k: tf.Tensor] {
  const [B, H, , d] = k.shape as [number, number, number, number];
  const zero = tf.concat([tf.zeros([B, H, 1, d]), tf.ones([B, H, 1, 1])], 3);
  const keys = tf.pad(k, [
    [0, 0],
    [0, 0],
    [0, 0],
    [0, 1],
  ]);
  return [tf.concat([q, tf.expandDims(logits, 3)], 3), tf.concat([zero, keys], 2)];
}

/**
 * softmax([l, q k^T scale] + mask), over the zero token and the keys.
 * @param q - [B, H, Q, d]
 * @param k - [B, H, T, d]
 * @param zeroLogits - l [B, H, Q], or undefined for no zero token
 * @param mask - `causalMask(T, Z)`, or what else is added to the logits
 * @returns [B, H, Q, Z + T]; with a zero token, column 0 is the zero attention
 */
export function attentionWeights(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  zeroLogits: tf.Tensor | undefined,
  scale: number,
  mask: tf.Tensor,
): tf.Tensor4D {
  const [, , Q, d] = q.shape;
  const T = k.shape[2];
  return customOp(zeroLogits ? [q, k, zeroLogits] : [q, k], (q, k, logits) => {
    const scaled = tf.mul(q, scale);
    const [left, right] = logits ? withZeroLogits(scaled, k, logits) : [scaled, k];
    const p = tf.softmax(tf.add(tf.matMul(left, right, false, true), mask));
    return {
      value: p,
      saved: [left, right, p],
      gradient: (dp, saved) => {
        const [left, right, p] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const weighted = tf.mul(dp, p);
        const dProduct = tf.sub(weighted, tf.mul(p, tf.sum(weighted, -1, true)));
        const dLeft = tf.matMul(dProduct, right);
        const dRight = tf.matMul(dProduct, left, true);
        if (!logits) return [tf.mul(dLeft, scale), dRight];
        const part = (x: tf.Tensor, row: number, column: number, rows: number, columns: number) =>
          tf.slice(x, [0, 0, row, column], [-1, -1, rows, columns]);
        const dLogits = tf.reshape(part(dLeft, 0, d, Q, 1), logits.shape);
        return [tf.mul(part(dLeft, 0, 0, Q, d), scale), part(dRight, 1, 0, T, d), dLogits];
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
