import * as tf from '@tensorflow/tfjs-core';
import {attentionWeights, weightedValues, zeroAttention} from './attention.js';
import {customOp} from './custom.js';
import {hasKernel, runFused} from './fused.js';
import {mergeHeads, splitHeads} from './structure.js';

// Shapes: B batch, T tokens, D width, H heads, d = D / H, Z 1 with a zero token and 0 without.

/** Queries, keys and values, each [B, T, D], or side by side as [B, T, 3 D]. */
export type Projections = {qkv: tf.Tensor3D} | {q: tf.Tensor3D; k: tf.Tensor3D; v: tf.Tensor3D};

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
  const names = Object.keys(projections);
  const named = (tensors: tf.Tensor[]) => Object.fromEntries(names.map((name, i) => [name, tensors[i]]));
  const inputs = Object.values(projections) as tf.Tensor[];
  return customOp(zeroKey ? [...inputs, zeroKey] : inputs, (...given) => {
    const parts = {...named(given), zeroKey: given[names.length]};
    const [out, lse] = runFused('ZttAttention', parts, {heads, scale}) as [tf.Tensor, tf.Tensor];
    return {
      value: out,
      saved: [out, lse, ...given],
      gradient: (dy, [out, lse, ...given]) => {
        const parts = {...named(given), zeroKey: given[names.length]};
        return runFused('ZttAttentionGradient', {...parts, out, lse, dy}, {heads, scale});
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
  const [mixed, , zero] = runFused('ZttAttention', {...projections, zeroKey}, {heads, scale});
  return {mixed: mixed as tf.Tensor3D, zero: zero as tf.Tensor3D | undefined};
}

/**
 * The zero attention [B, H, T] with a gradient by the zero key alone: what a loss on it may move. The projections
 * count as given.
 */
export function zeroAttentionOfKey(projections: Projections, options: AttentionOptions): tf.Tensor3D {
  const {heads, scale} = options;
  return customOp([options.zeroKey!], (zeroKey) => {
    const zero = causalAttentionWithZero(projections, {...options, zeroKey}).zero!;
    const [q] = separateHeads(projections, heads);
    return {
      value: zero,
      saved: [zero, q!],
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
