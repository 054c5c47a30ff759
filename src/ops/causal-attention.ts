import * as tf from '@tensorflow/tfjs-core';
import type {Projected} from '../engine/index.js';
import {attentionWeights, weightedValues, zeroAttention} from './attention.js';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {mergeHeads, splitHeads} from './structure.js';
import {zeroLogits} from './zero-logits.js';
import type {ZeroToken} from './zero-token.js';

// Shapes: B batch, T tokens, D width, H heads, d = D / H, Z 1 with a zero token and 0 without.

/** Queries, keys and values, each [B, T, D], or side by side as [B, T, 3 D]. */
export type Projections = Projected<tf.Tensor3D>;

export interface AttentionOptions {
  heads: number;
  scale: number;
  /** The zero token, if there is one; its logits [B, H, T]. */
  zero?: ZeroToken;
  /** `causalMask(T, Z)`, for engines without a kernel for attention. */
  mask: tf.Tensor2D;
}

/**
 * Causal attention from the projections to the mixed values, heads merged: [B, T, D]. Where the engine has a kernel
 * for it, no T x T tensor is made.
 */
export function causalAttention(projections: Projections, options: AttentionOptions): tf.Tensor3D {
  if (!hasKernel('ZttAttention')) return composed(projections, options).mixed;
  const {heads, scale, zero} = options;
  const parts: tf.Tensor[] = Object.values(projections);
  const given = zero ? [...parts, Object.values(zero)[0]!] : parts;
  // The inputs by name, from the tensors that tfjs hands on in their order.
  const named = ([first, k, v]: tf.Tensor[]): Projected<tf.Tensor> =>
    parts.length === 1 ? {qkv: first!} : {q: first!, k: k!, v: v!};
  return customOp(given, (...tensors) => {
    const ofZero = tensors[parts.length];
    // The logits of a key are made here and not by `zeroLogits`, so that their gradient by the queries is added in place.
    const key = zero && 'key' in zero ? ofZero : undefined;
    const logits = key
      ? runKernel('ZttZeroLogits', {q: tensors[0]!, zeroKey: key}, {scale, at: 0})[0]
      : ofZero;
    const inputs = {...named(tensors), zeroLogits: logits};
    const [out, lse] = runKernel('ZttAttention', inputs, {heads, scale});
    return {
      value: out,
      saved: [out, lse, ...(logits ? [logits] : []), ...tensors],
      gradient: (dy, saved) => {
        const [out, lse] = saved as [tf.Tensor, tf.Tensor];
        const rest = saved.slice(2);
        const logits = zero && rest.shift();
        const inputs = {...named(rest), zeroLogits: logits, out, lse, dy};
        const found = runKernel('ZttAttentionGradient', inputs, {heads, scale});
        if (!key) return found;
        const [q, dLogits, dq] = [rest[0]!, found.at(-1)!, found[0]!];
        const ofKey = {q, zeroKey: rest[parts.length]!, dLogits, dq};
        return [...found.slice(0, -1), ...runKernel('ZttZeroLogitsGradient', ofKey, {scale})];
      },
    };
  }) as tf.Tensor3D;
}

/** As `causalAttention`, and the zero attention [B, H, T] if there is a zero token. Without a gradient where it is fused. */
function causalAttentionWithZero(
  projections: Projections,
  options: AttentionOptions,
): {mixed: tf.Tensor3D; zero?: tf.Tensor3D} {
  if (!hasKernel('ZttAttention')) return composed(projections, options);
  const {heads, scale} = options;
  const inputs = {...projections, zeroLogits: zeroLogitsOf(projections, options)};
  const [mixed, , zero] = runKernel('ZttAttention', inputs, {heads, scale});
  return {mixed: mixed as tf.Tensor3D, zero: zero as tf.Tensor3D | undefined};
}

/**
 * The zero attention [B, H, T] with a gradient by the zero key alone: what a loss on it may move. The projections
 * count as given.
 */
export const zeroAttentionOfKey = (
  projections: Projections,
  zeroKey: tf.Tensor,
  options: Omit<AttentionOptions, 'zero'>,
): tf.Tensor3D =>
  zeroAttentionByKey(zeroKey, options.scale, (key) => ({
    zero: causalAttentionWithZero(projections, {...options, zero: {key}}).zero!,
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
        const slopes = tf.mul(tf.mul(dz, scale), tf.mul(zero!, tf.sub(1, zero!)));
        const perRow = tf.matMul(tf.expandDims(slopes, 2), q!);
        return [tf.reshape(tf.sum(perRow, 0), zeroKey.shape)];
      },
    };
  }) as tf.Tensor3D;
}

/** q, k and v, each [B, H, T, d]. */
export function separateHeads(projections: Projections, heads: number): tf.Tensor4D[] {
  return threeOf(projections).map((part) => splitHeads(part, heads));
}

/** The zero token's logits [B, H, T], or undefined for no zero token. */
export function zeroLogitsOf(
  projections: Projections,
  {scale, zero}: Pick<AttentionOptions, 'scale' | 'zero'>,
): tf.Tensor3D | undefined {
  if (!zero) return undefined;
  if ('logits' in zero) return zero.logits as tf.Tensor3D;
  return zeroLogits(threeOf(projections)[0]!, zero.key, scale);
}

const threeOf = (projections: Projections): tf.Tensor3D[] =>
  'qkv' in projections
    ? tf.split<tf.Tensor3D>(projections.qkv, 3, -1)
    : [projections.q, projections.k, projections.v];

function composed(projections: Projections, options: AttentionOptions) {
  const {heads, scale, mask} = options;
  const [q, k, v] = threeOf(projections);
  const apart = {q: q!, k: k!, v: v!};
  const split = separateHeads(apart, heads) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
  const logits = zeroLogitsOf(apart, options);
  const weights = attentionWeights(split[0], split[1], logits, scale, mask);
  return {mixed: mergeHeads(weightedValues(weights, split[2])), zero: logits && zeroAttention(weights)};
}
