import * as tf from '@tensorflow/tfjs-core';
import {
  strandAttention,
  strandValues,
  strandWeights,
  type Columns,
  type KeyView,
  type StrandWeights,
} from '../../ops/index.js';
import type {AttentionRows, ProjectedRows} from '../block.js';
import type {NetworkSlot} from '../network.js';
import {Pass} from './pass.js';
import {keysSeen, startsOf, takeAttentionRows, takeRows} from './strands.js';

/**
 * Each token exits by itself: one whose score exceeds the threshold keeps its state until the tail, and in every later
 * middle slot gives keys and values alone, computed from it (`forward_token_exit` in the reference). Its queries, its
 * share of the output projection and its MLP are not computed.
 */
export class TokenPass extends Pass {
  /** The rows that have not exited, in order. */
  private active = Array.from({length: this.x.shape[0]}, (_, row) => row);

  protected override async step(index: number, slot: NetworkSlot): Promise<void> {
    const all = Array.from({length: this.x.shape[0]}, (_, row) => row);
    if (slot.part === 'middle') await this.middle(index, slot);
    else this.advance(tf.tidy(() => this.apply(index, slot, all).next));
    const ran = slot.part === 'middle' ? this.active : all;
    const starts = startsOf(this.strands, this.live);
    for (const [strand, start] of starts) {
      const {slots, slotsPerToken} = this.depths[strand]!;
      const own = ran.filter((row) => row >= start && row < start + slotsPerToken.length);
      for (const row of own) slotsPerToken[row - start]!++;
      if (own.length > 0) slots.push(index);
    }
  }

  protected override end(): void {
    // Nothing has left the rows.
  }

  private async middle(index: number, slot: NetworkSlot): Promise<void> {
    if (this.active.length === 0) {
      tf.tidy(() => {
        this.keysOfAll(index, slot, 'kv');
      });
      return;
    }
    const {rule, keepZeroAttention} = this.options;
    const observed = rule.mayExit(index) && keepZeroAttention;
    if (!rule.checks(index)) {
      const {next, zero} = tf.tidy(() => this.apply(index, slot, this.active));
      this.advance(next);
      const z = zero && observed ? ((await zero.data()) as Float32Array) : null;
      zero?.dispose();
      if (z) this.record(this.active, rule.signal.score({z, keys: this.seen(index, this.active)}));
      return;
    }
    const {blocks} = this.network;
    const {active} = this;
    let shapes!: StrandWeights['scores'];
    const begun = tf.tidy(() => {
      const {projected, k, v, view} = this.project(index, slot, active);
      const {weights, zero} = strandWeights(this.scores(projected, k, view, slot));
      shapes = weights.scores;
      return {v, tensors: weights.tensors, zero: zero!};
    });
    const z = (await begun.zero.data()) as Float32Array;
    const scores = rule.signal.score({z, keys: this.seen(index, active)});
    this.record(active, scores);
    const kept = Int32Array.from(scores, (score) => (rule.leaves(index, score) ? 0 : 1));
    this.active = active.filter((_, i) => kept[i] === 1);
    if (this.active.length > 0) {
      this.advance(
        tf.tidy(() => {
          const weights = {tensors: begun.tensors, scores: shapes};
          const mixed = strandValues(weights, begun.v, kept, shapes.view.strands);
          return this.merged(blocks.rest(takeRows(this.x, this.active), mixed, slot), this.active);
        }),
      );
    }
    // The cache's values are its own.
    tf.dispose([begun.zero, ...begun.tensors, ...(this.options.cache ? [] : [begun.v.rows])]);
  }

  /** A slot for these rows; of the others it takes keys and values. */
  private apply(
    index: number,
    slot: NetworkSlot,
    rows: readonly number[],
  ): {next: tf.Tensor2D; zero?: tf.Tensor2D} {
    const {projected, k, v, view} = this.project(index, slot, rows);
    const {mixed, zero} = strandAttention(this.scores(projected, k, view, slot), v);
    const next = this.network.blocks.rest(takeRows(this.x, rows), mixed, slot);
    return {next: this.merged(next, rows), ...(zero && {zero})};
  }

  /** Queries of these rows, and keys and values of all. */
  private project(index: number, slot: NetworkSlot, rows: readonly number[]) {
    const everyone = rows.length === this.x.shape[0];
    const {input, projected, ...keys} = this.keysOfAll(index, slot, everyone ? 'qkv' : 'kv');
    return {
      ...keys,
      projected: projected ?? this.queries(input, slot, rows),
      view: this.viewOf(keys.view, rows),
    };
  }

  private keysOfAll(index: number, slot: NetworkSlot, which: 'qkv' | 'kv') {
    const {blocks} = this.network;
    const input = blocks.attentionRows(this.x, slot);
    const found: Omit<ProjectedRows<'kv'>, 'q'> & {q?: Columns} = blocks.project(
      input,
      slot,
      which,
      this.placesOf(this.live),
    );
    const {q, zeroLogits} = found;
    return {
      input,
      projected: q && {q, zeroLogits},
      ...this.keysAndValues(index, found.k, found.v, this.live),
    };
  }

  /** Queries of these rows. */
  private queries(input: AttentionRows, slot: NetworkSlot, rows: readonly number[]) {
    const all = this.placesOf(this.live);
    const places = Int32Array.from(rows, (row) => all[row]!);
    return this.network.blocks.project(takeAttentionRows(input, rows), slot, 'q', places);
  }

  /** What these rows see, out of what all see. */
  private viewOf({strands, seen}: KeyView, rows: readonly number[]): KeyView {
    if (rows.length === seen.length) return {strands, seen};
    let next = 0;
    let end = 0;
    const fewer = strands.map(({queries, ranges}) => {
      const start = next;
      end += queries;
      while (next < rows.length && rows[next]! < end) next++;
      return {queries: next - start, ranges};
    });
    return {
      strands: fewer.filter(({queries}) => queries > 0),
      seen: Int32Array.from(rows, (row) => seen[row]!),
    };
  }

  /** All rows, with these replaced. */
  private merged(next: tf.Tensor2D, rows: readonly number[]): tf.Tensor2D {
    const N = this.x.shape[0];
    if (rows.length === N) return next;
    const places = Int32Array.from({length: N}, (_, row) => row);
    for (const [i, row] of rows.entries()) places[row] = N + i;
    return tf.gather(tf.concat([this.x, next]), tf.tensor1d(places, 'int32'));
  }

  /** For each of these rows, the keys it sees. */
  private seen(index: number, rows: readonly number[]): number[] {
    const window = this.windowOf(index);
    const all = this.strands.flatMap((strand) => keysSeen(strand, window));
    return rows.map((row) => all[row]!);
  }

  private record(rows: readonly number[], scores: Float64Array): void {
    const all = new Float64Array(this.x.shape[0]).fill(NaN);
    for (const [i, row] of rows.entries()) all[row] = scores[i]!;
    for (const [strand, start] of startsOf(this.strands, this.live)) {
      const {ids} = this.strands[strand]!;
      this.depths[strand]!.tokenScores.push(all.slice(start, start + ids.length));
    }
  }
}
