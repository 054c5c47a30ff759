import * as tf from '@tensorflow/tfjs-core';
import {
  add,
  attentionWeights,
  causalAttention,
  gated,
  groupedAttention,
  groupedValues,
  groupedWeights,
  groupedZeroAttention,
  layerNorm,
  mergeHeads,
  reshape,
  rmsNorm,
  rotate,
  rowZeroLogits,
  separateHeads,
  splitHeads,
  weightedValues,
  zeroAttentionByKey,
  zeroAttentionOfKey,
  zeroLogits,
  zeroLogitsOf,
  type Columns,
  type Projections,
} from '../ops/index.js';
import {
  attentionScale,
  isPlainAttention,
  qkvWidths,
  type Architecture,
  type Layer,
  type LinearModule,
  type Norm,
  type QkvPart,
} from './architecture.js';
import {LinearMaps, type MapPrefixes} from './linear-maps.js';
import {rotationTable} from './rotation-table.js';
import type {Weights} from './weights.js';

// Shapes: B batch, T tokens, N rows, D width, H heads, G key-value heads, d head size, Z 1 with a zero token and 0 without.

/** One executed layer: its parts, whose weights they have, and its zero key. */
export type BlockRun = MapPrefixes & {
  layer: Layer;
  /** [H, d], where there is a zero token. */
  zeroKey?: tf.Tensor;
};

/** What the layers of a pass over sequences of T tokens share. */
export interface SequenceView {
  /** `causalMask(T, Z)`, for layers of plain attention, if there are any. */
  mask: tf.Tensor2D | null;
  /** `causalMask(T, 0, window)` by window, for the other layers. */
  windows: ReadonlyMap<number | null, tf.Tensor2D>;
  /** 0 to T - 1. */
  places: Int32Array;
}

/** The input of a layer's q, k and v, row by row. */
export type AttentionRows = {
  /** [N, D], normed. */
  input: tf.Tensor2D;
  /** [N, rank]: half of what LoRA adds to a fused projection, if it adds anything. */
  low?: tf.Tensor2D;
};

/** The letters of a word such as `qk`. */
type PartOf<P extends string> = P extends `${infer First}${infer Rest}` ? First | PartOf<Rest> : never;

/**
 * Some of a layer's q, k and v as attention takes them, each as its columns, and where the zero token's logits [N, H] do
 * not follow from those: them too.
 */
export type ProjectedRows<P extends string> = Record<PartOf<P>, Columns> & {zeroLogits?: tf.Tensor2D};

/** What is done to a layer's branches in training, for dropout; the identity otherwise. */
export type BranchHook = <T extends tf.Tensor>(x: T) => T;

/** The blocks of a model over its weights. */
export class Blocks {
  private readonly maps: LinearMaps;

  /** @param loraScale - what the product of LoRA matrices is multiplied by */
  constructor(
    private readonly arch: Architecture,
    private readonly weights: Weights,
    loraScale: number,
  ) {
    this.maps = new LinearMaps(weights, arch.weightLayout, loraScale);
  }

  /**
   * A whole layer: x [B, T, D] to [B, T, D].
   * @param observe - is given what computes the layer's zero attention [B, H, T], whose gradient reaches the zero key
   *   alone
   */
  run(
    x: tf.Tensor3D,
    run: BlockRun,
    view: SequenceView,
    hook?: BranchHook,
    observe?: (zero: () => tf.Tensor3D) => void,
  ): tf.Tensor3D {
    const layer = () => {
      const input = this.norm(x, run, run.layer.norms.attentionIn);
      const mixed = isPlainAttention(this.arch, run.layer.attention)
        ? this.plain(input, run, view, hook, observe)
        : this.grouped(input, run, view, hook, observe);
      return this.rest(x, mixed, run, hook);
    };
    // What no gradient needs is let go as soon as the layer is over; what is observed outlives it.
    return observe ? layer() : tf.tidy(layer);
  }

  /** Plain attention: what the heads of a layer read, [B, T, H d], from its normed input. */
  private plain(
    input: tf.Tensor3D,
    run: BlockRun,
    view: SequenceView,
    hook?: BranchHook,
    observe?: (zero: () => tf.Tensor3D) => void,
  ): tf.Tensor3D {
    const {heads} = this.arch;
    const mask = view.mask!;
    const [scale, {zeroKey}] = [attentionScale(run.layer.attention), run];
    const options = {heads, scale, zero: zeroKey && {key: zeroKey}, mask};
    const projections = this.projections(input, run);
    observe?.(() => zeroAttentionOfKey(projections, zeroKey!, options));
    if (!hook) return causalAttention(projections, options);
    const [q, k, v] = separateHeads(projections, heads) as [tf.Tensor4D, tf.Tensor4D, tf.Tensor4D];
    const logits = zeroLogitsOf(projections, options);
    return mergeHeads(weightedValues(hook(attentionWeights(q, k, logits, scale, mask)), v));
  }

  /** Any attention, as `plain`. */
  private grouped(
    input: tf.Tensor3D,
    run: BlockRun,
    {windows, places}: SequenceView,
    hook?: BranchHook,
    observe?: (zero: () => tf.Tensor3D) => void,
  ): tf.Tensor3D {
    const {heads: H, kvHeads: G} = this.arch;
    const {attention} = run.layer;
    const [scale, {zeroKey}, mask] = [attentionScale(attention), run, windows.get(attention.window)!];
    const projected = this.separate(this.projections(input, run));
    const met = this.normed(projected.q, run, 'q');
    const q = this.rotated(met, run, places);
    const k = this.rotated(this.normed(projected.k, run, 'k'), run, places);
    const separate = {q, k, v: projected.v};
    const optionsWith = (key: tf.Tensor | undefined) => ({
      ...{heads: H, kvHeads: G, window: attention.window, scale, mask},
      zeroLogits: key && zeroLogits(met, key, scale),
    });
    observe?.(() =>
      zeroAttentionByKey(zeroKey!, scale, (key) => ({
        zero: groupedZeroAttention(separate, optionsWith(key)),
        q: splitHeads(met, H),
      })),
    );
    const options = optionsWith(zeroKey);
    if (!hook) return groupedAttention(separate, options);
    const weights = groupedWeights(
      splitHeads(q, H),
      splitHeads(k, G),
      options.zeroLogits ?? null,
      scale,
      mask,
    );
    return mergeHeads(groupedValues(hook(weights), splitHeads(projected.v, G)));
  }

  /** What the projections of rows [N, D] are made of. Not for training, as the next. */
  attentionRows(x: tf.Tensor2D, run: BlockRun): AttentionRows {
    const {attention, norms} = run.layer;
    // A tensor of its own, also where no norm comes first.
    const input = norms.attentionIn === null ? tf.clone(x) : this.norm(x, run, norms.attentionIn);
    const low = attention.qkv.kind === 'columns' ? this.maps.low(input, run, attention.qkv.qkv) : null;
    return {input, ...(low && {low})};
  }

  /**
   * Neighbours among q, k and v, as attention takes them.
   * @param parts - for example `qk`: nothing else is computed
   * @param places - of the rows
   */
  project<P extends 'qkv' | 'qk' | 'kv' | 'q' | 'v'>(
    rows: AttentionRows,
    run: BlockRun,
    parts: P,
    places: Int32Array,
  ): ProjectedRows<P> {
    const found = this.projected(rows, run, [...parts] as QkvPart[]);
    const plain = isPlainAttention(this.arch, run.layer.attention);
    return (plain ? found : this.prepared(found, run, places)) as ProjectedRows<P>;
  }

  /** The queries [N, H d] that meet the zero key: normed, but not rotated. Not for training. */
  zeroQueries(rows: AttentionRows, run: BlockRun): tf.Tensor2D {
    const {q} = this.projected(rows, run, ['q']);
    return this.normed(columnsOf(q!, qkvWidths(this.arch).q), run, 'q');
  }

  /** Neighbours among q, k and v, as the linear maps give them. */
  private projected(
    rows: AttentionRows,
    run: BlockRun,
    parts: readonly QkvPart[],
  ): Partial<Record<QkvPart, Columns>> {
    const {qkv} = run.layer.attention;
    switch (qkv.kind) {
      case 'columns':
        return this.projectColumns(rows, run, qkv.qkv, parts);
      case 'separate':
        return Object.fromEntries(
          parts.map((part) => [part, {rows: this.maps.apply(rows.input, run, qkv[part]), at: 0}]),
        );
    }
  }

  /** Queries and keys normed and rotated, and the zero token's logits. */
  private prepared(
    {q, k, ...rest}: Partial<Record<QkvPart, Columns>>,
    run: BlockRun,
    places: Int32Array,
  ): Partial<ProjectedRows<'qkv'>> {
    const widths = qkvWidths(this.arch);
    const met = q && this.normed(columnsOf(q, widths.q), run, 'q');
    const scale = attentionScale(run.layer.attention);
    const zero = met && run.zeroKey && rowZeroLogits({rows: met, at: 0}, run.zeroKey, scale);
    const keys = k && this.normed(columnsOf(k, widths.k), run, 'k');
    return {
      ...rest,
      ...(met && {q: {rows: this.rotated(met, run, places), at: 0}}),
      ...(keys && {k: {rows: this.rotated(keys, run, places), at: 0}}),
      ...(zero && {zeroLogits: zero}),
    };
  }

  /** Neighbours among q, k and v out of a map that has them side by side. */
  private projectColumns(
    {input, low}: AttentionRows,
    run: BlockRun,
    map: LinearModule,
    parts: readonly QkvPart[],
  ): Partial<Record<QkvPart, Columns>> {
    const widths = qkvWidths(this.arch);
    const starts = {q: 0, k: widths.q, v: widths.q + widths.k};
    const from = starts[parts[0]!];
    const count = parts.reduce((sum, part) => sum + widths[part], 0);
    const rows = this.maps.outputs(input, low ?? null, run, map, {from, count});
    return Object.fromEntries(parts.map((part) => [part, {rows, at: starts[part] - from}]));
  }

  /** What follows attention: its output projection, and the MLP. */
  rest<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    return tf.tidy(() => this.restOf(x, mixed, run, hook));
  }

  private restOf<T extends tf.Tensor>(x: T, mixed: T, run: BlockRun, hook?: BranchHook): T {
    const {attention, norms} = run.layer;
    const branch = (y: T) => (hook ? hook(y) : y);
    const attended = branch(this.norm(this.maps.apply(mixed, run, attention.out), run, norms.attentionOut));
    const middle = this.norm(add(x, attended), run, norms.attentionSum);
    const more = branch(this.norm(this.mlp(this.norm(middle, run, norms.mlpIn), run), run, norms.mlpOut));
    return this.norm(add(middle, more), run, norms.mlpSum);
  }

  /** The feed-forward network. */
  private mlp<T extends tf.Tensor>(x: T, run: BlockRun): T {
    const {mlp} = run.layer;
    switch (mlp.kind) {
      case 'plain':
        return this.maps.apply(this.maps.apply(x, run, mlp.up, mlp.activation), run, mlp.down);
      case 'gated': {
        const [gate, up] = [this.maps.apply(x, run, mlp.gate), this.maps.apply(x, run, mlp.up)];
        return this.maps.apply(gated(gate, up, mlp.activation), run, mlp.down);
      }
    }
  }

  private projections(input: tf.Tensor3D, run: BlockRun): Projections {
    const {qkv} = run.layer.attention;
    switch (qkv.kind) {
      case 'columns':
        return {qkv: this.maps.apply(input, run, qkv.qkv)};
      case 'separate':
        return {
          q: this.maps.apply(input, run, qkv.q),
          k: this.maps.apply(input, run, qkv.k),
          v: this.maps.apply(input, run, qkv.v),
        };
    }
  }

  /** q [B, T, H d], k and v [B, T, G d]. */
  private separate(projections: Projections): Record<QkvPart, tf.Tensor3D> {
    if (!('qkv' in projections)) return projections;
    const {q: Hd, k: Gd, v: Gv} = qkvWidths(this.arch);
    const [q, k, v] = tf.split<tf.Tensor3D>(projections.qkv, [Hd, Gd, Gv], -1);
    return {q: q!, k: k!, v: v!};
  }

  /** Queries or keys [..., heads d], normed where the layer does so. */
  private normed<T extends tf.Tensor>(x: T, run: BlockRun, part: 'q' | 'k'): T {
    const {qkNorm} = run.layer.attention;
    if (qkNorm === null) return x;
    switch (qkNorm.over) {
      case 'head': {
        const perHead = reshape<tf.Tensor2D>(x, [-1, this.arch.headSize]);
        return reshape(this.norm(perHead, run, qkNorm[part]), x.shape);
      }
    }
  }

  /** Queries or keys [B, T, heads d] or [T, heads d], rotated to these T places where the layer does so. */
  private rotated<T extends tf.Tensor>(x: T, run: BlockRun, places: Int32Array): T {
    const {rotation} = run.layer.attention;
    return rotation === null ? x : rotate(x, rotationTable(rotation, places), this.arch.headSize);
  }

  /** A norm of the block; x itself where there is none. */
  private norm<T extends tf.Tensor>(x: T, run: BlockRun, name: string | null): T {
    return name === null ? x : norm(x, this.weights, `${run.prefix}${name}`, this.arch.norm);
  }
}

/** Columns as a tensor of their own, [N, width]. */
const columnsOf = ({rows, at}: Columns, width: number): tf.Tensor2D =>
  at === 0 && rows.shape[1] === width ? rows : tf.slice(rows, [0, at], [-1, width]);

/** A norm by the module's name. */
export function norm<T extends tf.Tensor>(x: T, weights: Weights, name: string, how: Norm): T {
  switch (how.kind) {
    case 'layer': {
      const affine = how.affine
        ? {weight: weights.get(`${name}.weight`), bias: weights.get(`${name}.bias`)}
        : null;
      return layerNorm(x, affine, how.epsilon);
    }
    case 'rms':
      return rmsNorm(x, weights.get(`${name}.weight`), how.epsilon);
  }
}
