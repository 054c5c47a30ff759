import * as tf from '@tensorflow/tfjs-core';
import {
  activation,
  add,
  addLowRank,
  attentionWeights,
  causalAttention,
  causalAttentionWithZero,
  layerNorm,
  linear,
  mergeHeads,
  separateHeads,
  splitHeads,
  weightedValues,
  zeroAttentionOfKey,
  type ActivationName,
  type LowRank,
  type Projections,
} from '../ops/index.js';
import type {Architecture} from './architecture.js';
import type {Weights} from './weights.js';

// Shapes: B batch, T tokens, D width, H heads, d = D / H, Z 1 with a zero token and 0 without.

/** One executed layer: which block's weights, its attention scale and its zero key. */
export type BlockRun = {
  /** What the block's tensor names begin with. */
  prefix: string;
  scale: number;
  /** [H, d], where there is a zero token. */
  zeroKey?: tf.Tensor;
  /** What the slot's LoRA tensor names begin with, where there are any. */
  lora?: string;
};

/** A layer's attention before there are values: all that an exit check needs. */
export type Attention = {
  /** The normed input [B, T, D], from which the values are made. */
  input: tf.Tensor3D;
  /** [B, H, T, Z + T] */
  weights: tf.Tensor4D;
};

/** What is done to a layer's branches in training, for dropout; the identity otherwise. */
export type BranchHook = <T extends tf.Tensor>(x: T) => T;

/** The blocks of a model, of either family, over its weights. */
export class Blocks {
  constructor(
    private readonly arch: Architecture,
    private readonly weights: Weights,
    /** What the product of LoRA matrices is multiplied by. */
    private readonly loraScale: number,
  ) {}

  /**
   * A whole layer: x [B, T, D] to [B, T, D].
   * @param observe - is given what computes the layer's zero attention [B, H, T], whose gradient reaches the zero key
   *   alone
   */
  run(
    x: tf.Tensor3D,
    run: BlockRun,
    mask: tf.Tensor2D,
    hook?: BranchHook,
    observe?: (zero: () => tf.Tensor3D) => void,
  ): tf.Tensor3D {
    const projections = this.projections(this.attentionInput(x, run), run);
    observe?.(() => zeroAttentionOfKey(projections, this.attention(run, mask)));
    if (!hook) return this.rest(x, causalAttention(projections, this.attention(run, mask)), run);
    const [q, k, v] = separateHeads(projections, this.arch.heads) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const weights = hook(attentionWeights(q, k, run.zeroKey, run.scale, mask));
    return this.rest(x, mergeHeads(weightedValues(weights, v)), run, hook);
  }

  /** A whole layer with its zero attention [B, H, T] if there is a zero token. Not for training. */
  runWithZero(x: tf.Tensor3D, run: BlockRun, mask: tf.Tensor2D): {x: tf.Tensor3D; zero?: tf.Tensor3D} {
    const projections = this.projections(this.attentionInput(x, run), run);
    const {mixed, zero} = causalAttentionWithZero(projections, this.attention(run, mask));
    return {x: this.rest(x, mixed, run), zero};
  }

  /**
   * The first part of a layer that may be skipped, without its values: its cost is 4 D^2 + 2 D keys a token. `finish`
   * is the rest.
   */
  check(x: tf.Tensor3D, run: BlockRun, mask: tf.Tensor2D): Attention {
    const input = this.attentionInput(x, run);
    const q = this.projection('q', input, run);
    const k = this.projection('k', input, run);
    return {input, weights: attentionWeights(q, k, run.zeroKey, run.scale, mask)};
  }

  /** The rest of a layer, from its input and its attention. */
  finish(x: tf.Tensor3D, attention: Attention, run: BlockRun): tf.Tensor3D {
    const values = this.projection('v', attention.input, run);
    return this.rest(x, mergeHeads(weightedValues(attention.weights, values)), run);
  }

  /** What follows attention: its output projection, and the MLP. */
  private rest(x: tf.Tensor3D, mixed: tf.Tensor3D, run: BlockRun, hook?: BranchHook): tf.Tensor3D {
    const {block, normFirst, activation} = this.arch;
    const branch = (y: tf.Tensor3D) => (hook ? hook(y) : y);
    const attended = add(x, branch(this.linear(mixed, run, block.attentionOut)));
    const middle = normFirst ? attended : this.norm(attended, run, block.attentionNorm);
    const input = normFirst ? this.norm(middle, run, block.mlpNorm) : middle;
    const up = this.linear(input, run, block.up, activation);
    const out = add(middle, branch(this.linear(up, run, block.down)));
    return normFirst ? out : this.norm(out, run, block.mlpNorm);
  }

  private attention({scale, zeroKey}: BlockRun, mask: tf.Tensor2D) {
    return {heads: this.arch.heads, scale, zeroKey, mask};
  }

  private attentionInput(x: tf.Tensor3D, run: BlockRun): tf.Tensor3D {
    return this.arch.normFirst ? this.norm(x, run, this.arch.block.attentionNorm) : x;
  }

  private projections(input: tf.Tensor3D, run: BlockRun): Projections {
    const {qkv} = this.arch.block;
    if ('fused' in qkv) return {qkv: this.linear(input, run, qkv.fused)};
    const {q, k, v} = qkv;
    return {
      q: this.linear(input, run, q),
      k: this.linear(input, run, k),
      v: this.linear(input, run, v),
    };
  }

  /** One of q, k and v alone, [B, H, T, d]. From a fused weight it takes the columns, so not for training. */
  private projection(part: 'q' | 'k' | 'v', input: tf.Tensor3D, run: BlockRun): tf.Tensor4D {
    const {qkv} = this.arch.block;
    const D = this.arch.width;
    if (!('fused' in qkv)) return splitHeads(this.linear(input, run, qkv[part]), this.arch.heads);
    const start = {q: 0, k: D, v: 2 * D}[part];
    const weight = tf.slice(this.weights.get(`${run.prefix}${qkv.fused}.weight`), [0, start], [D, D]);
    const bias = tf.slice(this.weights.get(`${run.prefix}${qkv.fused}.bias`), [start], [D]);
    const projected = linear(input, weight, bias, this.arch.weightLayout);
    const lora = this.loraOf(run, qkv.fused);
    const ofPart = lora && {...lora, b: tf.slice(lora.b, [start, 0], [D, -1])};
    return splitHeads(ofPart ? addLowRank(projected, input, ofPart) : projected, this.arch.heads);
  }

  private linear(x: tf.Tensor3D, run: BlockRun, name: string, through?: ActivationName): tf.Tensor3D {
    const weight = this.weights.get(`${run.prefix}${name}.weight`);
    const bias = this.weights.find(`${run.prefix}${name}.bias`);
    const lora = this.loraOf(run, name);
    if (!lora) return linear(x, weight, bias, this.arch.weightLayout, through);
    const sum = addLowRank(linear(x, weight, bias, this.arch.weightLayout), x, lora);
    return through ? activation(sum, through) : sum;
  }

  /** The LoRA matrices of a slot's linear map, or null. */
  private loraOf(run: BlockRun, name: string): LowRank | null {
    const a = run.lora === undefined ? null : this.weights.find(`${run.lora}${name}.A`);
    return a && {a, b: this.weights.get(`${run.lora}${name}.B`), scale: this.loraScale};
  }

  private norm(x: tf.Tensor3D, run: BlockRun, name: string): tf.Tensor3D {
    return norm(x, this.weights, `${run.prefix}${name}`, this.arch);
  }
}

/** Layer norm by the module's name; without weight and bias where the family has none. */
export function norm<T extends tf.Tensor>(x: T, weights: Weights, name: string, arch: Architecture): T {
  const affine = arch.normAffine
    ? {weight: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`)}
    : null;
  return layerNorm(x, affine, arch.normEpsilon);
}
