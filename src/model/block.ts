import * as tf from '@tensorflow/tfjs-core';
import {
  activation,
  add,
  addLowRank,
  attentionWeights,
  causalAttention,
  layerNorm,
  linear,
  linearPart,
  mergeHeads,
  separateHeads,
  weightedValues,
  zeroAttentionOfKey,
  type ActivationName,
  type Columns,
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

/** The input of a layer's q, k and v, row by row. */
export type AttentionRows = {
  /** [N, D], normed. */
  input: tf.Tensor2D;
  /** [N, rank]: half of what LoRA adds to a fused projection, if it adds anything. */
  low?: tf.Tensor2D;
};

/** The letters of a word such as `qk`. */
type PartOf<P extends string> = P extends `${infer First}${infer Rest}` ? First | PartOf<Rest> : never;

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
    // What no gradient needs is let go as soon as the layer is over; what is observed outlives it.
    return observe ? this.layer(x, run, mask, hook, observe) : tf.tidy(() => this.layer(x, run, mask, hook));
  }

  private layer(
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

  /** What the projections of rows [N, D] are made of. Not for training, as the next. */
  attentionRows(x: tf.Tensor2D, run: BlockRun): AttentionRows {
    const {qkv} = this.arch.block;
    // A tensor of its own, also where no norm comes first.
    const input = this.arch.normFirst ? this.attentionInput(x, run) : tf.clone(x);
    const lora = 'fused' in qkv ? this.loraOf(run, qkv.fused) : null;
    if (!lora) return {input};
    return {
      input,
      low: tf.mul<tf.Tensor2D>(tf.matMul(input, lora.a, false, true), lora.scale),
    };
  }

  /**
   * Neighbours among q, k and v, each as D columns.
   * @param parts - for example `qk`: nothing else is computed
   */
  project<P extends 'qkv' | 'qk' | 'kv' | 'q' | 'v'>(
    {input, low}: AttentionRows,
    run: BlockRun,
    parts: P,
  ): Record<PartOf<P>, Columns> {
    const {qkv} = this.arch.block;
    const names = [...parts] as ('q' | 'k' | 'v')[];
    const of = (columns: (name: 'q' | 'k' | 'v', i: number) => Columns) =>
      Object.fromEntries(names.map((name, i) => [name, columns(name, i)])) as Record<PartOf<P>, Columns>;
    if (!('fused' in qkv)) return of((name) => ({rows: this.linear(input, run, qkv[name]), at: 0}));
    const D = this.arch.width;
    const range = {from: 'qkv'.indexOf(parts) * D, count: parts.length * D};
    const weight = this.weights.get(`${run.prefix}${qkv.fused}.weight`);
    const bias = this.weights.find(`${run.prefix}${qkv.fused}.bias`);
    const projected = linearPart(input, weight, bias, this.arch.weightLayout, range);
    const lora = low && tf.slice(this.loraOf(run, qkv.fused)!.b, [range.from, 0], [range.count, -1]);
    const rows = lora ? tf.add<tf.Tensor2D>(projected, tf.matMul(low, lora, false, true)) : projected;
    return of((_, i) => ({rows, at: i * D}));
  }

  /** What follows attention: its output projection, and the MLP. */
  rest<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    return tf.tidy(() => this.restOf(x, mixed, run, hook));
  }

  private restOf<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    const {block, normFirst, activation} = this.arch;
    const branch = (y: T) => (hook ? hook(y) : y);
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

  private attentionInput<T extends tf.Tensor>(x: T, run: BlockRun): T {
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

  private linear<T extends tf.Tensor>(x: T, run: BlockRun, name: string, through?: ActivationName): T {
    const weight = this.weights.get(`${run.prefix}${name}.weight`);
    const bias = this.weights.find(`${run.prefix}${name}.bias`);
    const lora = this.loraOf(run, name);
    if (!lora) return linear(x, weight, bias, this.arch.weightLayout, through);
    return tf.tidy(() => {
      const sum = addLowRank(linear(x, weight, bias, this.arch.weightLayout), x, lora);
      return through ? activation(sum, through) : sum;
    });
  }

  /** The LoRA matrices of a slot's linear map, or null. */
  private loraOf(run: BlockRun, name: string): LowRank | null {
    const a = run.lora === undefined ? null : this.weights.find(`${run.lora}${name}.A`);
    return a && {a, b: this.weights.get(`${run.lora}${name}.B`), scale: this.loraScale};
  }

  private norm<T extends tf.Tensor>(x: T, run: BlockRun, name: string): T {
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
