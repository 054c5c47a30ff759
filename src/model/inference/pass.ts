import * as tf from '@tensorflow/tfjs-core';
import type {Columns, KeyRange, KeyView, StrandScores} from '../../ops/index.js';
import {attentionScale, isPlainAttention} from '../architecture.js';
import type {ProjectedRows} from '../block.js';
import type {ExitGranularity} from '../exits/granularity.js';
import type {ExitRule} from '../exits/rule.js';
import type {KeyCache} from './key-cache.js';
import type {Network, NetworkSlot} from '../network.js';
import {causalView, joined, rangesAmong, startsOf, tokensBefore, type Strand} from './strands.js';

// Shapes: N rows (the tokens of all strands), D width, H heads.

export interface PassOptions {
  rule: ExitRule;
  /** Whether to keep the zero attention of every slot. */
  keepZeroAttention?: boolean;
  /** Where keys and values are kept for what goes on. */
  cache?: KeyCache;
}

/** What came of one strand. */
export interface StrandDepth {
  /** Indices of the slots that ran, with exits by token for some of its tokens at least. */
  slots: number[];
  /** The slot before which its sequence exited; null if it did not. */
  exit: number | null;
  /** For each of its tokens, how many slots ran. */
  slotsPerToken: Int32Array;
  /** One [tokens, H] a slot that ran, if they were asked for, there are zero tokens, and no exits by token. */
  zeroAttention: Float32Array[];
  /**
   * Its lead's score at each slot where an exit was or could have been checked, up to and with the one before which
   * it exited. Empty if zero attention was neither checked nor kept.
   */
  exitScores: number[];
  /** The same for each of its tokens, where tokens exit by themselves; NaN once one has. */
  tokenScores: Float64Array[];
  /** For each slot, where its tokens lie in the cache. */
  cached: KeyRange[][];
}

export interface PassResult {
  /** The last hidden state of all tokens, [N, D]; the caller disposes of it. */
  hidden: tf.Tensor2D;
  depths: StrandDepth[];
  granularity: ExitGranularity;
}

/** One run of strands through the slots: what both ways to exit share. */
export abstract class Pass {
  protected readonly depths: StrandDepth[];
  /** The strands whose rows `x` has, in order. */
  protected live: number[];
  protected x: tf.Tensor2D;
  protected slots: readonly NetworkSlot[] = [];
  private among: {live: readonly number[]; views: Map<number | null, KeyView>} | null = null;
  private places: {live: readonly number[]; places: Int32Array} | null = null;

  constructor(
    protected readonly network: Network,
    protected readonly strands: readonly Strand[],
    protected readonly options: PassOptions,
  ) {
    this.live = strands.map((_, i) => i);
    this.depths = strands.map(({ids}) => ({
      slots: [],
      exit: null,
      slotsPerToken: new Int32Array(ids.length),
      zeroAttention: [],
      exitScores: [],
      tokenScores: [],
      cached: [],
    }));
    const ids = Int32Array.from(strands.flatMap((strand) => strand.ids));
    this.x = tf.tidy(() => network.embedRows(ids, this.placesOf(this.live)));
  }

  /** Runs every slot of the rule. */
  async run(): Promise<PassResult> {
    const zeroKeys = tf.tidy(() => this.network.zeroKeys());
    const slots = this.network.slots(zeroKeys);
    this.slots = slots;
    try {
      for (const [index, slot] of slots.entries()) {
        if (this.options.rule.runs[index]) await this.step(index, slot);
      }
      this.end();
    } finally {
      tf.dispose(zeroKeys);
    }
    return {hidden: this.x, depths: this.depths, granularity: this.options.rule.granularity};
  }

  protected abstract step(index: number, slot: NetworkSlot): Promise<void>;

  /** After the last slot. */
  protected abstract end(): void;

  /** Takes the next hidden state in place of the one before. */
  protected advance(next: tf.Tensor2D): void {
    if (next !== this.x) this.x.dispose();
    this.x = next;
  }

  /** @param projected - the queries' part of what `Blocks.project` gives */
  protected scores(
    {q, zeroLogits}: ProjectedRows<'q'>,
    k: Columns,
    view: KeyView,
    {layer: {attention}, zeroKey}: NetworkSlot,
  ): StrandScores {
    const {arch} = this.network.config;
    const {heads, headSize, kvHeads} = arch;
    const common = {q, k, view, heads, width: heads * headSize, scale: attentionScale(attention)};
    if (isPlainAttention(arch, attention)) return {...common, zero: zeroKey && {key: zeroKey}};
    const zero = zeroLogits && {logits: zeroLogits};
    return {...common, zero, grouped: {kvHeads, window: attention.window}};
  }

  /** The places in their sequences of the rows of these strands: the same object where the strands are. */
  protected placesOf(live: readonly number[]): Int32Array {
    if (this.places?.live !== live) {
      const {strands} = this;
      const placesIn = (strand: Strand) => strand.ids.map((_, i) => tokensBefore(strand) + i);
      this.places = {live, places: Int32Array.from(live.flatMap((index) => placesIn(strands[index]!)))};
    }
    return this.places.places;
  }

  /**
   * Keys and values of the rows of these strands, and who sees them: as they are, or out of the cache, to which they
   * are added.
   */
  protected keysAndValues(
    index: number,
    k: Columns,
    v: Columns,
    live: readonly number[],
  ): {k: Columns; v: Columns; view: KeyView} {
    const {strands, options} = this;
    if (!options.cache) return {k, v, view: this.viewAmong(index, live)};
    const rangesOf = this.addToCache(index, k, v, live);
    const view = causalView(strands, live, rangesOf, this.windowOf(index));
    return {...options.cache.columns(index), view};
  }

  /** Who sees which keys where the keys are those of the rows of these strands: the same in slots of one window. */
  protected viewAmong(index: number, live: readonly number[]): KeyView {
    if (this.among?.live !== live) this.among = {live, views: new Map()};
    const window = this.windowOf(index);
    const known = this.among.views.get(window);
    if (known) return known;
    const starts = startsOf(this.strands, live);
    const rangesOf = (strand: number) => rangesAmong(this.strands, strand, starts);
    const view = causalView(this.strands, live, rangesOf, window);
    this.among.views.set(window, view);
    return view;
  }

  /** The keys that a token sees in a slot; null for all before it. */
  protected windowOf(index: number): number | null {
    return this.slots[index]!.layer.attention.window;
  }

  /** Adds the keys and values of the rows of these strands to the cache. @returns where all that a strand sees lies */
  protected addToCache(
    index: number,
    k: Columns,
    v: Columns,
    live: readonly number[],
  ): (strand: number) => KeyRange[] {
    const {strands, depths} = this;
    const starts = startsOf(strands, live);
    const base = this.options.cache!.append(index, k, v);
    for (const strand of live) {
      depths[strand]!.cached[index] = [
        {start: base + starts.get(strand)!, count: strands[strand]!.ids.length},
      ];
    }
    return (strand) => {
      const among = rangesAmong(strands, strand, starts).map(({start, count}) => ({
        start: base + start,
        count,
      }));
      return joined([...(strands[strand]!.after?.ranges[index] ?? []), ...among]);
    };
  }
}
