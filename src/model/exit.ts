import * as tf from '@tensorflow/tfjs-core';
import {takeRows, zeroAttention} from '../ops/index.js';
import type {Attention, Blocks} from './block.js';
import type {Network, NetworkSlot} from './network.js';

// Shapes: B rows, H heads, T tokens (of the longest row; shorter ones are padded on the right), D width.

export interface DepthOptions {
  /** Exit when the mean zero attention exceeds it; 1 or more never exits. */
  threshold: number;
  /** The first cycle (1-based) in which the exit is checked. */
  exitFromCycle: number;
  /** For each row, the tokens whose zero attention counts; at most the row's length. */
  contextLengths: number[];
  /** Whether to keep the zero attention of every slot. */
  keepZeroAttention: boolean;
}

/** What came of one row. */
export interface RowDepth {
  /** Indices of the slots that ran. */
  slots: number[];
  exited: boolean;
  /** One [H, T] array a slot that ran, if they were asked for and the layout has zero tokens. */
  zeroAttention: Float32Array[];
  /**
   * For each slot where an exit was or could have been checked, the row's mean zero attention: up to and
   * with the one at which it exited. Empty if zero attention was neither checked nor kept.
   */
  exitScores: number[];
}

export interface DepthResult {
  /** The last hidden state, [B, T, D]; the caller disposes of it. */
  hidden: tf.Tensor3D;
  rows: RowDepth[];
}

interface Live {
  rows: number[];
  x: tf.Tensor3D;
}

/** A slot run to its end: the next hidden state, and the zero attention [B, H, T] if there is a zero token. */
type Whole = ReturnType<Blocks['runWithZero']>;

/** A slot that may be skipped, as far as its exit check needs it, or one that was run at once. */
type Begun = {attention: Attention; whole?: undefined} | {whole: Whole; attention?: undefined};

/**
 * Runs the slots over ids [B, T], each row leaving the middle by itself: before a middle layer in a cycle >=
 * exitFromCycle is applied, a row whose zero attention, averaged over heads and the row's context, exceeds
 * the threshold skips it and every later middle layer (`forward` in the reference). What is skipped is not
 * computed.
 */
export async function runSlots(
  network: Network,
  ids: tf.Tensor2D,
  options: DepthOptions,
): Promise<DepthResult> {
  const {arrangement} = network.config;
  const rows: RowDepth[] = Array.from({length: ids.shape[0]}, () => ({
    slots: [],
    exited: false,
    zeroAttention: [],
    exitScores: [],
  }));
  const {mask, slots, embedded} = tf.tidy(() => ({
    mask: network.mask(ids.shape[1]),
    slots: network.slots(),
    embedded: network.embed(ids),
  }));
  const everyone = rows.map((_, row) => row);
  let live: Live = {rows: everyone, x: embedded};
  const gone: Live[] = [];
  for (const [index, slot] of slots.entries()) {
    if (slot.part === 'tail' && slot.place === 0) live = rejoin(live, gone);
    if (live.rows.length === 0) continue;
    const eligible =
      slot.part === 'middle' && slot.cycle >= options.exitFromCycle && network.zeroTokens === 1;
    const checked = eligible && options.threshold < 1;
    const begun = tf.tidy<Begun>(() =>
      checked
        ? {attention: network.blocks.check(live.x, slot, mask)}
        : {whole: network.blocks.runWithZero(live.x, slot, mask)},
    );
    const z = checked || options.keepZeroAttention ? await readZeroAttention(begun) : null;
    const stays = live.rows.map((row, i) => {
      if (!eligible || !z) return true;
      const score = meanOf(z[i]!, network.config.arch.heads, options.contextLengths[row]!);
      rows[row]!.exitScores.push(score);
      return !(checked && score > options.threshold);
    });
    for (const [i, row] of live.rows.entries()) {
      if (!stays[i]) {
        rows[row]!.exited = true;
        continue;
      }
      rows[row]!.slots.push(index);
      if (z && options.keepZeroAttention) rows[row]!.zeroAttention.push(z[i]!);
    }
    live = begun.whole ? advance(live, begun.whole) : step(network, slot, live, begun.attention, stays, gone);
  }
  const hasTail = arrangement.tail > 0;
  if (!hasTail) live = rejoin(live, gone);
  tf.dispose([mask, slots.map((slot) => slot.zeroKey).filter((key) => key !== undefined)]);
  return {hidden: live.x, rows};
}

/** The rest of a slot that every row runs, of which all is done but to let go of what it came from. */
function advance(live: Live, {x, zero}: Whole): Live {
  tf.dispose([live.x, ...(zero ? [zero] : [])]);
  return {rows: live.rows, x};
}

/** Applies a slot to the rows that stay; the others keep their state in `gone`. Disposes of what it used. */
function step(
  network: Network,
  slot: NetworkSlot,
  live: Live,
  attention: Attention,
  stays: boolean[],
  gone: Live[],
): Live {
  const indices = (wanted: boolean) => stays.flatMap((stay, i) => (stay === wanted ? [i] : []));
  const staying = indices(true);
  const leaving = indices(false);
  const pick = (list: number[]) => list.map((i) => live.rows[i]!);
  if (leaving.length > 0) gone.push({rows: pick(leaving), x: takeRows(live.x, leaving)});
  const x =
    staying.length === 0
      ? tf.tensor3d([], [0, live.x.shape[1], live.x.shape[2]])
      : tf.tidy(() => {
          if (leaving.length === 0) return network.blocks.finish(live.x, attention, slot);
          const rest: Attention = {
            input: takeRows(attention.input, staying),
            weights: takeRows(attention.weights, staying),
          };
          return network.blocks.finish(takeRows(live.x, staying), rest, slot);
        });
  tf.dispose([live.x, attention.input, attention.weights]);
  return {rows: pick(staying), x};
}

/** All rows again, in their first order. */
function rejoin(live: Live, gone: Live[]): Live {
  if (gone.length === 0) return live;
  const groups = [...gone, live].filter((group) => group.rows.length > 0);
  gone.length = 0;
  const order = groups.flatMap((group) => group.rows);
  const places = order.map((_, row) => order.indexOf(row));
  const x = tf.tidy(() => takeRows(tf.concat(groups.map((group) => group.x)), places));
  tf.dispose([live.x, ...groups.map((group) => group.x)]);
  return {rows: places.map((_, row) => row), x};
}

/** The zero attention of each row, [H, T] each, or null without a zero token. */
async function readZeroAttention(begun: Begun): Promise<Float32Array[] | null> {
  const z = begun.whole ? begun.whole.zero : tf.tidy(() => zeroAttention(begun.attention.weights));
  if (!z) return null;
  const [B, H, T] = z.shape;
  const values = (await z.data()) as Float32Array;
  if (!begun.whole) z.dispose();
  return Array.from({length: B}, (_, row) => values.slice(row * H * T, (row + 1) * H * T));
}

/** The mean of a row's zero attention [H, T] over heads and its first `context` tokens. */
export function meanOf(z: Float32Array, H: number, context: number): number {
  const T = z.length / H;
  let sum = 0;
  for (let head = 0; head < H; head++) {
    for (let token = 0; token < context; token++) sum += z[head * T + token]!;
  }
  return sum / (H * context);
}
