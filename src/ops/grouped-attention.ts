import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

// Shapes: B batch, H query heads, G key-value heads, Q queries, T keys, d head size, Z 1 with a zero token and 0 without.
// Query head h reads the keys and values of head floor(h G / H): the H / G heads that share one follow each other, so that
// their queries are rows of one product.

/**
 * softmax([zero logits, q k^T scale + mask]), over the zero token and the keys.
 * @param q - [B, H, Q, d]
 * @param k - [B, G, T, d]
 * @param zero - the zero token's logits [B, H, Q], or null for no zero token
 * @param mask - what is added to the logits, [Q, T] or [B, 1, Q, T]: 0, or `MASKED` where a query does not see a key
 * @returns [B, H, Q, Z + T]; with a zero token, column 0 is the zero attention
 */
export function groupedWeights(
  q: tf.Tensor4D,
  k: tf.Tensor4D,
  zero: tf.Tensor3D | null,
  scale: number,
  mask: tf.Tensor,
): tf.Tensor4D {
  const [B, H, Q, d] = q.shape;
  const [, G, T] = k.shape;
  const shared = [B, G, (H / G) * Q];
  return customOp(zero ? [q, k, zero] : [q, k], (q, k, zero) => {
    const scaled = tf.reshape(tf.mul(q, scale), [...shared, d]);
    const products = tf.reshape(tf.matMul(scaled, k, false, true), [B, H, Q, T]);
    const logits = tf.add(products, mask);
    const p = tf.softmax(zero ? tf.concat([tf.expandDims(zero, -1), logits], -1) : logits);
    return {
      value: p,
      saved: [scaled, k, p],
      gradient: (dp, saved) => {
        const [scaled, k, p] = saved as [tf.Tensor, tf.Tensor, tf.Tensor];
        const weighted = tf.mul(dp, p);
        const all = tf.sub(weighted, tf.mul(p, tf.sum(weighted, -1, true)));
        const keys = tf.reshape(zero ? columnsFrom(all, 1) : all, [...shared, T]);
        const dq = tf.reshape(tf.mul(tf.matMul(keys, k), scale), [B, H, Q, d]);
        const dk = tf.matMul(keys, scaled, true);
        if (!zero) return [dq, dk];
        return [dq, dk, tf.reshape(tf.slice(all, [0, 0, 0, 0], [-1, -1, -1, 1]), [B, H, Q])];
      },
    };
  }) as tf.Tensor4D;
}

/**
 * The values, weighted; the zero token's is the zero vector.
 * @param p - [B, H, Q, Z + T], from `groupedWeights`
 * @param v - [B, G, T, d]
 * @returns [B, H, Q, d]
 */
export function groupedValues(p: tf.Tensor4D, v: tf.Tensor4D): tf.Tensor4D {
  const [B, H, Q, columns] = p.shape;
  const [, G, T, d] = v.shape;
  const Z = columns - T;
  const shared = [B, G, (H / G) * Q];
  return customOp([p, v], (p, v) => {
    const weights = tf.reshape(Z ? columnsFrom(p, Z) : p, [...shared, T]);
    return {
      value: tf.reshape(tf.matMul(weights, v), [B, H, Q, d]),
      saved: [weights, v],
      gradient: (dy, saved) => {
        const [weights, v] = saved as [tf.Tensor, tf.Tensor];
        const dShared = tf.reshape(dy, [...shared, d]);
        const dWeights = tf.reshape(tf.matMul(dShared, v, false, true), [B, H, Q, T]);
        const dp = Z ? tf.concat([tf.zeros([B, H, Q, Z]), dWeights], -1) : dWeights;
        return [dp, tf.matMul(weights, dShared, true)];
      },
    };
  }) as tf.Tensor4D;
}

/** The columns of the last axis of x [B, H, Q, C] from this one on. */
const columnsFrom = (x: tf.Tensor, from: number): tf.Tensor => tf.slice(x, [0, 0, 0, from], [-1, -1, -1, -1]);
