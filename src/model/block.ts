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
import {
  attentionScale,
  qkvWidths,
  type Architecture,
  type Layer,
  type LinearModule,
  type Norm,
  type QkvPart,
} from './architecture.js';
import type {Weights} from './weights.js';

// Shapes: B batch, T tokens, D width, H heads, d head size, Z 1 with a zero token and 0 without.

/** One executed layer: its parts, whose weights they have, and its zero key. */
export type BlockRun = {
  layer: Layer;
  /** What the block's tensor names begin with. */
  prefix: string;
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

/** The blocks of a model over its weights. */
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
    const projections = this.projections(this.norm(x, run, run.layer.norms.attentionIn), run);
    observe?.(() => zeroAttentionOfKey(projections, this.attention(run, mask)));
    if (!hook) return this.rest(x, causalAttention(projections, this.attention(run, mask)), run);
    const [q, k, v] = separateHeads(projections, this.arch.heads) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const {scale, zeroKey} = this.attention(run, mask);
    const weights = hook(attentionWeights(q, k, zeroKey, scale, mask));
    return this.rest(x, mergeHeads(weightedValues(weights, v)), run, hook);
  }

  /** What the projections of rows [N, D] are made of. Not for training, as the next. */
  attentionRows(x: tf.Tensor2D, run: BlockRun): AttentionRows {
    const {attention, norms} = run.layer;
    // A tensor of its own, also where no norm comes first.
    const input = norms.attentionIn === null ? tf.clone(x) : this.norm(x, run, norms.attentionIn);
    const lora = attention.qkv.kind === 'columns' ? this.loraOf(run, attention.qkv.qkv.name) : null;
    if (!lora) return {input};
    return {
      input,
      low: tf.mul<tf.Tensor2D>(tf.matMul(input, lora.a, false, true), lora.scale),
    };
  }

  /**
   * Neighbours among q, k and v, each as its columns.
   * @param parts - for example `qk`: nothing else is computed
   */
  project<P extends 'qkv' | 'qk' | 'kv' | 'q' | 'v'>(
    rows: AttentionRows,
    run: BlockRun,
    parts: P,
  ): Record<PartOf<P>, Columns> {
    const {qkv} = run.layer.attention;
    const names = [...parts] as QkvPart[];
    switch (qkv.kind) {
      case 'columns':
        return this.projectColumns(rows, run, qkv.qkv, names) as Record<PartOf<P>, Columns>;
      case 'separate':
        return Object.fromEntries(
          names.map((name) => [name, {rows: this.linear(rows.input, run, qkv[name]), at: 0}]),
        ) as Record<PartOf<P>, Columns>;
    }
  }

  /** Neighbours among q, k and v out of a map that has them side by side. */
  private projectColumns(
    {input, low}: AttentionRows,
    run: BlockRun,
    {name}: LinearModule,
    parts: readonly QkvPart[],
  ): Partial<Record<QkvPart, Columns>> {
    const widths = qkvWidths(this.arch);
    const starts = {q: 0, k: widths.q, v: widths.q + widths.k};
    const from = starts[parts[0]!];
    const count = parts.reduce((sum, part) => sum + widths[part], 0);
    const weight = this.weights.get(`${run.prefix}${name}.weight`);
    const bias = this.weights.find(`${run.prefix}${name}.bias`);
    const projected = linearPart(input, weight, bias, this.arch.weightLayout, {from, count});
    const lora = low && tf.slice(this.loraOf(run, name)!.b, [from, 0], [count, -1]);
    const rows = lora ? tf.add<tf.Tensor2D>(projected, tf.matMul(low, lora, false, true)) : projected;
    return Object.fromEntries(parts.map((part) => [part, {rows, at: starts[part] - from}]));
  }

  /** What follows attention: its output projection, and the MLP. */
  rest<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    return tf.tidy(() => this.restOf(x, mixed, run, hook));
  }

  private restOf<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    const {attention, norms} = run.layer;
    const branch = (y: T) => (hook ? hook(y) : y);
    const attended = branch(this.norm(this.linear(mixed, run, attention.out), run, norms.attentionOut));
    const middle = this.norm(add(x, attended), run, norms.attentionSum);
    const more = branch(this.norm(this.mlp(this.norm(middle, run, norms.mlpIn), run), run, norms.mlpOut));
    return this.norm(add(middle, more), run, norms.mlpSum);
  }

  /** The feed-forward network. */
  private mlp<T extends tf.Tensor>(x: T, run: BlockRun): T {
    const {mlp} = run.layer;
    switch (mlp.kind) {
      case 'plain':
        return this.linear(this.linear(x, run, mlp.up, mlp.activation), run, mlp.down);
    }
  }

  private attention({layer, zeroKey}: BlockRun, mask: tf.Tensor2D) {
    return {heads: this.arch.heads, scale: attentionScale(layer.attention), zeroKey, mask};
  }

  private projections(input: tf.Tensor3D, run: BlockRun): Projections {
    const {qkv} = run.layer.attention;
    switch (qkv.kind) {
      case 'columns':
        return {qkv: this.linear(input, run, qkv.qkv)};
      case 'separate':
        return {
          q: this.linear(input, run, qkv.q),
          k: this.linear(input, run, qkv.k),
          v: this.linear(input, run, qkv.v),
        };
    }
  }

  private linear<T extends tf.Tensor>(
    x: T,
    run: BlockRun,
    {name}: LinearModule,
    through?: ActivationName,
  ): T {
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

  /** A norm of the block; x itself where there is none. */
  private norm<T extends tf.Tensor>(x: T, run: BlockRun, name: string | null): T {
    return name === null ? x : norm(x, this.weights, `${run.prefix}${name}`, this.arch.norm);
  }
}

/** A norm by the module's name. */
export function norm<T extends tf.Tensor>(x: T, weights: Weights, name: string, how: Norm): T {
  switch (how.kind) {
    case 'layer': {
      const affine = how.affine
        ? {weight: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`)}
        : null;
      return layerNorm(x, affine, how.epsilon);
    }
  }
}
