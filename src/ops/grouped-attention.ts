import * as tf from '@tensorflow/tfjs-core';
import type {Grouping} from '../engine/index.js';
import {zeroAttention} from './attention.js';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {mergeHeads, splitHeads} from './structure.js';

// Shapes: B batch, H query heads, G key-value heads, Q queries, T keys, d head size, Z 1 with a zero token and 0 without.
// Query head h reads the keys and values of head floor(h G / H): the H / G heads that share one follow each other, so that
// their queries are rows of one product.

/** q [B, T, H d], k and v [B, T, G d]. */
export type Separate = Record<'q' | 'k' | 'v', tf.Tensor3D>;

export interface GroupedOptions extends Grouping {
  heads: number;
  scale: number;
  /** The zero token's logits [B, H, T], if there is one. */
  zeroLogits?: tf.Tensor3D;
  /** `causalMask(T, 0, window)`, for engines without a kernel. */
  mask: tf.Tensor2D;
}

/**
 * Causal attention where heads share keys and values, or see a window of them: [B, T, H d]. Where the engine has a kernel
 * for it, no T x T tensor is made.
 */
export function groupedAttention({q, k, v}: Separate, options: GroupedOptions): tf.Tensor3D {
  if (!hasKernel('ZttGroupedAttention')) return composedGroups({q, k, v}, options).mixed;
  const {heads, kvHeads, window, scale, zeroLogits} = options;
  const attributes = {heads, kvHeads, window, scale};
  return customOp(zeroLogits ? [q, k, v, zeroLogits] : [q, k, v], (q, k, v, zeroLogits) => {
    const [out, lse] = runKernel('ZttGroupedAttention', {q, k, v, zeroLogits}, attributes);
    return {
      value: out,
      saved: [q, k, v, out, lse, ...(zeroLogits ? [zeroLogits] : [])],
      gradient: (dy, saved) => {
        const [q, k, v, out, lse] = saved as [tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor];
        const inputs = {q, k, v, zeroLogits: saved[5], out, lse, dy};
        return runKernel('ZttGroupedAttentionGradient', inputs, attributes) as tf.Tensor[];
      },
    };
  }) as tf.Tensor3D;
}

/** The zero attention [B, H, T] of `groupedAttention`, whose zero logits must be given. Without a gradient where it is fused. */
export function groupedZeroAttention({q, k, v}: Separate, options: GroupedOptions): tf.Tensor3D {
  if (!hasKernel('ZttGroupedAttention')) return composedGroups({q, k, v}, options).zero!;
  const {heads, kvHeads, window, scale, zeroLogits} = options;
  const attributes = {heads, kvHeads, window, scale};
  return tf.tidy(() => runKernel('ZttGroupedAttention', {q, k, v, zeroLogits}, attributes)[2] as tf.Tensor3D);
}

function composedGroups({q, k, v}: Separate, options: GroupedOptions) {
  const {heads, kvHeads, scale, zeroLogits, mask} = options;
  const split = [splitHeads(q, heads), splitHeads(k, kvHeads)] as const;
  const weights = groupedWeights(...split, zeroLogits ?? null, scale, mask);
  const mixed = mergeHeads(groupedValues(weights, splitHeads(v, kvHeads)));
  return {mixed, zero: zeroLogits && zeroAttention(weights)};
}

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
