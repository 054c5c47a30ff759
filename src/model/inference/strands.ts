import * as tf from '@tensorflow/tfjs-core';
import type {KeyRange, KeyView} from '../../ops/index.js';
import type {AttentionRows} from '../block.js';

// Shapes: N rows (the tokens of all strands, below each other, without padding), D width, H heads.

/** Some consecutive tokens of a sequence, as they go through the slots. */
export interface Strand {
  ids: readonly number[];
  /** The strand whose first tokens come before its own, and whose exit it takes: an earlier one, or itself. */
  lead: number;
  /** How many of its lead's first tokens those are; 0 for a lead. */
  shared: number;
  /** Of a lead that has nothing cached before it: how many of its tokens decide the exit. */
  contextLength: number;
  /** What was cached of the tokens before it, for a lead that goes on. */
  after?: CachedTokens;
}

/** Tokens whose keys and values a cache holds. */
export interface CachedTokens {
  /** How many. */
  count: number;
  /** The slot before which their sequence exited, which what follows does too; null for none. */
  exit: number | null;
  /** For each slot, where they lie in its pools, in order. */
  ranges: readonly (readonly KeyRange[])[];
}

/** Tokens before a strand's own. */
export const tokensBefore = ({shared, after}: Strand): number => after?.count ?? shared;

/** The first row of each of these strands, by strand, where they lie below each other. */
export function startsOf(strands: readonly Strand[], live: readonly number[]): Map<number, number> {
  let row = 0;
  const starts = new Map<number, number>();
  for (const index of live) {
    starts.set(index, row);
    row += strands[index]!.ids.length;
  }
  return starts;
}

/** Where the keys of a strand lie among such rows: its lead's, and its own. */
export function rangesAmong(
  strands: readonly Strand[],
  index: number,
  starts: ReadonlyMap<number, number>,
): KeyRange[] {
  const {ids, lead, shared} = strands[index]!;
  const own = {start: starts.get(index)!, count: ids.length};
  return shared > 0 ? [{start: starts.get(lead)!, count: shared}, own] : [own];
}

/** Ranges in order, with those joined that run on. */
export function joined(ranges: readonly KeyRange[]): KeyRange[] {
  const result: KeyRange[] = [];
  for (const range of ranges) {
    const last = result.at(-1);
    if (last && last.start + last.count === range.start) last.count += range.count;
    else result.push({...range});
  }
  return result;
}

/**
 * What all tokens of these strands see: every token before, and itself. Keys that lie outside the windows of all of a
 * strand's tokens are left out.
 */
export function causalView(
  strands: readonly Strand[],
  live: readonly number[],
  rangesOf: (strand: number) => readonly KeyRange[],
  window: number | null,
): KeyView {
  const leftOut = (index: number) =>
    window === null ? 0 : Math.max(0, tokensBefore(strands[index]!) + 1 - window);
  return {
    strands: live.map((index) => ({
      queries: strands[index]!.ids.length,
      ranges: rangesFrom(rangesOf(index), leftOut(index)),
    })),
    seen: Int32Array.from(
      live.flatMap((index) => keysSeen(strands[index]!, null).map((keys) => keys - leftOut(index))),
    ),
  };
}

/** Ranges without their first rows. */
function rangesFrom(ranges: readonly KeyRange[], first: number): KeyRange[] {
  let skipped = first;
  return ranges.flatMap(({start, count}) => {
    const off = Math.min(skipped, count);
    skipped -= off;
    return off < count ? [{start: start + off, count: count - off}] : [];
  });
}

/** For each token of a strand, the causal keys it sees, itself among them: at most a window of them. */
export function keysSeen(strand: Strand, window: number | null): number[] {
  const before = tokensBefore(strand);
  return strand.ids.map((_, i) => Math.min(before + i + 1, window ?? Infinity));
}

/** These rows of what projections are made of. */
export function takeAttentionRows({input, low}: AttentionRows, rows: readonly number[]): AttentionRows {
  return {input: takeRows(input, rows), ...(low && {low: takeRows(low, rows)})};
}

/** The rows of x [N, ...] at these indices, x itself if they are all. */
export function takeRows<T extends tf.Tensor>(x: T, rows: readonly number[]): T {
  if (rows.length === x.shape[0]) return x;
  return tf.gather<T>(x, tf.tensor1d([...rows], 'int32'));
}
