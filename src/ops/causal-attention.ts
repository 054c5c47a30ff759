import * as tf from '@tensorflow/tfjs-core';
import type {Projected} from '../engine/index.js';
import {attentionWeights, weightedValues, zeroAttention} from './attention.js';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {mergeHeads, splitHeads} from './structure.js';

// Shapes: B batch, T tokens, D width, H heads, d = D / H, Z 1 with a zero token and 0 without.

/** Queries, keys and values, each [B, T, D], or side by side as [B, T, 3 D]. */
export type Projections = Projected<tf.Tensor3D>;

export interface AttentionOptions {
  heads: number;
  scale: number;
  /** [H, d], or undefined for no zero token. */
  zeroKey?: tf.Tensor;
  /** `causalMask(T, Z)`, for engines without a kernel for attention. */
  mask: tf.Tensor2D;
}

/**
 * Causal attention from the projections to the mixed values, heads merged: [B, T, D]. Where the engine has a kernel
 * for it, no T x T tensor is made.
 */
export function causalAttention(projections: Projections, options: AttentionOptions): tf.Tensor3D {
  if (!hasKernel('ZttAttention')) return composed(projections, options).mixed;
  const {heads, scale, zeroKey} = options;
  const parts: tf.Tensor[] = Object.values(projections);
  // The inputs by name, from the tensors that tfjs hands on in their order.
  const named = (given: tf.Tensor[]): Projected<tf.Tensor> & {zeroKey?: tf.Tensor} => {
    const [first, k, v] = given as [tf.Tensor, tf.Tensor, tf.Tensor];
    const projected = parts.length === 1 ? {qkv: first} : {q: first, k, v};
    return {...projected, zeroKey: given[parts.length]};
  };
  return customOp(zeroKey ? [...parts, zeroKey] : parts, (...given) => {
    const [out, lse] = runKernel('ZttAttention', named(given), {heads, scale});
    return {
      value: out,
      saved: [out, lse, ...given],
      gradient: (dy, saved) => {
        const [out, lse, ...given] = saved as [tf.Tensor, tf.Tensor, ...tf.Tensor[]];
        return runKernel('ZttAttentionGradient', {...named(given), out, lse, dy}, {heads, scale});
      },
    };
  }) as tf.Tensor3D;
}

/** The same with the zero attention [B, H, T] if there is a zero token. It has no gradient where it is fused. */
export function causalAttentionWithZero(
  projections: Projections,
  options: AttentionOptions,
): {mixed: tf.Tensor3D; zero?: tf.Tensor3D} {
  if (!hasKernel('ZttAttention')) return composed(projections, options);
  const {heads, scale, zeroKey} = options;
  const [mixed, , zero] = runKernel('ZttAttention', {...projections, zeroKey}, {heads, scale});
  return {mixed: mixed as tf.Tensor3D, zero: zero as tf.Tensor3D | undefined};
}

/**
 * The zero attention [B, H, T] with a gradient by the zero key alone: what a loss on it may move. The projections
 * count as given.
 */
export const zeroAttentionOfKey = (projections: Projections, options: AttentionOptions): tf.Tensor3D =>
  zeroAttentionByKey(options.zeroKey!, options.scale, (zeroKey) => ({
    zero: causalAttentionWithZero(projections, {...options, zeroKey}).zero!,
    q: separateHeads(projections, options.heads)[0] as tf.Tensor4D,
  }));

/**
 * The zero attention [B, H, T] with a gradient by the zero key alone.
 * @param compute - gives it, and the queries [B, H, T, d] that meet the key; all else counts as given
 */
export function zeroAttentionByKey(
  zeroKey: tf.Tensor,
  scale: number,
  compute: (zeroKey: tf.Tensor) => {zero: tf.Tensor3D; q: tf.Tensor4D},
): tf.Tensor3D {
  return customOp([zeroKey], (zeroKey) => {
    const {zero, q} = compute(zeroKey);
    return {
      value: zero,
      saved: [zero, q],
      // z is a softmax's entry: dz / dlogit = z (1 - z), and the logit is scale q . key.
      gradient: (dz, [zero, q]) => {
        const slope = tf.mul(tf.mul(dz, scale), tf.mul(zero!, tf.sub(1, zero!)));
        const perRow = tf.matMul(tf.expandDims(slope, 2), q!);
        return [tf.reshape(tf.sum(perRow, 0), zeroKey.shape)];
      },
    };
  }) as tf.Tensor3D;
}

/** q, k and v, each [B, H, T, d]. */
export function separateHeads(projections: Projections, heads: number): tf.Tensor4D[] {
  const parts =
    'qkv' in projections
      ? tf.split<tf.Tensor3D>(projections.qkv, 3, -1)
      : [projections.q, projections.k, projections.v];
  return parts.map((part) => splitHeads(part, heads));
}

function composed(projections: Projections, {heads, scale, zeroKey, mask}: AttentionOptions) {
  const [q, k, v] = separateHeads(projections, heads) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const weights = attentionWeights(q, k, zeroKey, scale, mask);
  return {mixed: mergeHeads(weightedValues(weights, v)), zero: zeroKey ? zeroAttention(weights) : undefined};
}
