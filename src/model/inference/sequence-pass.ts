import * as tf from '@tensorflow/tfjs-core';
import {
  strandAttention,
  strandValues,
  strandWeights,
  type Columns,
  type StrandWeights,
} from '../../ops/index.js';
import type {AttentionRows} from '../block.js';
import type {NetworkSlot} from '../network.js';
import {Pass} from './pass.js';
import {keysSeen, startsOf, takeAttentionRows, takeRows} from './strands.js';

/** Rows that have left the middle. */
interface Group {
  live: number[];
  x: tf.Tensor2D;
}

/**
 * Whole sequences exit: before a middle layer in a cycle >= exitFromCycle is applied, a lead whose score, averaged over
 * its context, exceeds the threshold skips it and every later middle layer, with all that share its first tokens
 * (`forward` in the reference). What is skipped is not computed, and what has left is not in the products.
 */
export class SequencePass extends Pass {
  private readonly gone: Group[] = [];

  protected override async step(index: number, slot: NetworkSlot): Promise<void> {
    if (slot.part === 'tail') this.rejoin();
    if (slot.part === 'middle') this.leave(index, (strand) => this.leftBefore(strand, index));
    if (this.live.length === 0) return;
    // What goes on from a cache exits where its first tokens did.
    const fresh = this.strands[0]!.after === undefined;
    if (fresh && this.options.rule.checks(index)) await this.checked(index, slot);
    else await this.whole(index, slot);
    for (const strand of this.live) this.depths[strand]!.slots.push(index);
  }

  protected override end(): void {
    this.rejoin();
    for (const {slots, slotsPerToken} of this.depths) slotsPerToken.fill(slots.length);
  }

  private leftBefore(strand: number, index: number): boolean {
    const exit = this.strands[strand]!.after?.exit ?? null;
    return exit !== null && exit <= index;
  }

  /** A slot that every strand runs. */
  private async whole(index: number, slot: NetworkSlot): Promise<void> {
    const {next, zero} = tf.tidy(() => this.apply(index, slot, this.x));
    this.advance(next);
    if (!zero) return;
    if (this.options.keepZeroAttention) await this.readScores(index, zero);
    else zero.dispose();
  }

  /** The state [N, D] after a slot from the one before it, and the slot's zero attention if there is any. */
  protected apply(index: number, slot: NetworkSlot, x: tf.Tensor2D): {next: tf.Tensor2D; zero?: tf.Tensor2D} {
    const {blocks} = this.network;
    const places = this.placesOf(this.live);
    const projected = blocks.project(blocks.attentionRows(x, slot), slot, 'qkv', places);
    const keys = this.keysAndValues(index, projected.k, projected.v, this.live);
    const {mixed, zero} = strandAttention(this.scores(projected, keys.k, keys.view, slot), keys.v);
    return {next: blocks.rest(x, mixed, slot), ...(zero && {zero})};
  }

  /** A slot that may be skipped: its scores first, and the rest for those that stay. */
  private async checked(index: number, slot: NetworkSlot): Promise<void> {
    const {blocks} = this.network;
    const {x, live, strands} = this;
    let shapes!: StrandWeights['scores'];
    const begun = tf.tidy(() => {
      const rows = blocks.attentionRows(x, slot);
      const projected = blocks.project(rows, slot, 'qk', this.placesOf(live));
      const {k} = projected;
      const {weights, zero} = strandWeights(this.scores(projected, k, this.viewAmong(index, live), slot));
      shapes = weights.scores;
      return {rows, k, tensors: weights.tensors, zero: zero!};
    });
    const scores = await this.readScores(index, begun.zero);
    const leaves = (strand: number) => this.options.rule.leaves(index, scores.get(strands[strand]!.lead)!);
    const stays = live.map((strand) => !leaves(strand));
    this.leave(index, leaves);
    if (this.live.length > 0) {
      const weights = {tensors: begun.tensors, scores: shapes};
      this.advance(tf.tidy(() => this.finish(index, slot, begun, weights, stays)));
    }
    tf.dispose([begun.rows, begun.k, begun.tensors]);
  }

  /** The rest of a slot for the strands that stay. @param stays - for each strand that was there before */
  private finish(
    index: number,
    slot: NetworkSlot,
    {rows, k}: {rows: AttentionRows; k: Columns},
    weights: StrandWeights,
    stays: boolean[],
  ): tf.Tensor2D {
    const {blocks} = this.network;
    const {live} = this;
    const before = weights.scores.view.strands;
    const kept = new Int32Array(weights.scores.view.seen.length).fill(1);
    let row = 0;
    for (const [i, {queries}] of before.entries()) {
      if (!stays[i]) kept.fill(0, row, row + queries);
      row += queries;
    }
    const staying = Array.from(kept.keys()).filter((at) => kept[at] === 1);
    const {v} = blocks.project(takeAttentionRows(rows, staying), slot, 'v', this.placesOf(live));
    if (this.options.cache) this.addToCache(index, {...k, rows: takeRows(k.rows, staying)}, v, live);
    // Values lie where the strands that stay do; of the others none is looked at.
    const among = this.viewAmong(index, live).strands.values();
    const values = before.map((strand, i) => (stays[i] ? among.next().value! : strand));
    return blocks.rest(this.x, strandValues(weights, v, kept, values), slot);
  }

  /** Reads the zero attention [N, H] of a slot, and disposes of it. @returns the score of each lead */
  private async readScores(index: number, zero: tf.Tensor2D): Promise<Map<number, number>> {
    const z = (await zero.data()) as Float32Array;
    zero.dispose();
    const {live, strands, depths} = this;
    const {rule, keepZeroAttention} = this.options;
    const {heads: H} = this.network.config.arch;
    const starts = startsOf(strands, live);
    const keys = live.flatMap((strand) => keysSeen(strands[strand]!, this.windowOf(index)));
    const perToken = rule.mayExit(index) ? rule.signal.score({z, keys}) : null;
    const scores = new Map<number, number>();
    for (const strand of live) {
      const {ids, lead, contextLength, after} = strands[strand]!;
      const start = starts.get(strand)!;
      if (perToken && !after) {
        if (lead === strand) scores.set(strand, mean(perToken.subarray(start, start + contextLength)));
        depths[strand]!.exitScores.push(scores.get(lead)!);
      }
      if (keepZeroAttention) depths[strand]!.zeroAttention.push(z.slice(start * H, (start + ids.length) * H));
    }
    return scores;
  }

  /** Takes strands out of the rows until the tail. */
  private leave(index: number, leaves: (strand: number) => boolean): void {
    const {live, strands, x} = this;
    const leaving = live.filter(leaves);
    if (leaving.length === 0) return;
    const staying = live.filter((strand) => !leaves(strand));
    const rowsOf = (some: number[]) => {
      const starts = startsOf(strands, live);
      return some.flatMap((strand) => strands[strand]!.ids.map((_, i) => starts.get(strand)! + i));
    };
    for (const strand of leaving) {
      const depth = this.depths[strand]!;
      depth.exit = index;
      // The zero attention of its check is of a slot that does not run.
      depth.zeroAttention.splice(depth.slots.length);
    }
    this.live = staying;
    if (staying.length === 0) {
      this.gone.push({live: leaving, x});
      return;
    }
    this.gone.push({live: leaving, x: tf.tidy(() => takeRows(x, rowsOf(leaving)))});
    this.advance(tf.tidy(() => takeRows(x, rowsOf(staying))));
  }

  /** All strands again, in their first order. */
  private rejoin(): void {
    if (this.gone.length === 0) return;
    const groups = [...this.gone, ...(this.live.length > 0 ? [{live: this.live, x: this.x}] : [])];
    this.gone.length = 0;
    if (groups.length === 1) {
      // All left at once, in their order.
      [{live: this.live, x: this.x}] = groups as [Group];
      return;
    }
    const starts = startsOf(
      this.strands,
      groups.flatMap(({live}) => live),
    );
    const rows = this.strands.flatMap(({ids}, strand) => ids.map((_, i) => starts.get(strand)! + i));
    this.x = tf.tidy(() => tf.gather(tf.concat(groups.map(({x}) => x)), tf.tensor1d(rows, 'int32')));
    tf.dispose(groups.map(({x}) => x));
    this.live = this.strands.map((_, i) => i);
  }
}

function mean(values: Float64Array): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
