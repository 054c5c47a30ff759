import {setImmediate} from 'node:timers/promises';
import {InterruptedError, UsageError} from '../errors.js';
import {exitSlots, hasZeroTokens, type ExitFit, type Model, type SlotEvidence} from '../model/index.js';
import {fitKey, zeroAttention, type KeyTargets} from './fit-key.js';
import {FEWEST_FIT_ROWS, FIT_ROWS} from './options.js';

// Shapes: R rows, N sampled tokens of all rows, H heads, d head size.

/** How zero keys are fitted to exits. */
export interface FitExitsOptions {
  /** Token ids of the rows to learn from: of all kinds of text that the model shall meet, each at least two tokens. */
  rows: readonly (readonly number[])[];
  /**
   * The price of compute: an exit is wanted where it costs less than this, in nats a token. The mean cost of each exit
   * unless given, so that half of the cost lies on either side.
   */
  price?: number;
  /** Tokens of each row that are learnt from, evenly spaced; 48 unless given. */
  tokensPerRow?: number;
  /** Tokens that run together; 8192 unless given. */
  batchTokens?: number;
  /** Is told how many rows have been measured. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** What was learnt for one exit. */
export interface FittedExit {
  /** The slot before which it is. */
  slot: number;
  /** What it costs the rows, in nats a token. */
  cost: {mean: number; standardDeviation: number};
  /** The price above which an exit there is not wanted, in nats a token. */
  price: number;
  /** The share of the rows that should exit. */
  wanted: number;
  /** The mean zero attention of the rows that should exit, and of the others, with the new keys. */
  zeroAttention: {wanted: number; others: number};
  /** The new zero keys, [H, d]. */
  keys: Float32Array;
}

const DEFAULTS = {tokensPerRow: 48, batchTokens: 8192};
/**
 * What half of a key's squared length costs, as a share of the mean square of a logit that a key of length 1 gives. On
 * gpt2-books any value from 0 to 0.03 ranks texts alike; without a ridge keys grow long and zero attention is all or
 * nothing, and from 0.1 on it tells texts apart less well.
 */
const RIDGE = 0.02;

/**
 * Fits the zero keys of a finished model's exits so that zero attention says whether an exit is worth its cost. Every
 * row is run at full depth and through each exit. Where the row's mean cost lies below the price, the zero attention of
 * its tokens is drawn to 1, elsewhere to 0, by binary cross-entropy weighted by the cost's distance from the price. A
 * mistake then weighs what it costs, and zero attention above 1/2 means that the expected cost lies below the price.
 * Nothing but the keys of exit slots changes.
 * @throws UsageError for a model without exits, too few rows, or a price that is no number; InterruptedError
 */
export async function fitExits(
  model: Pick<Model, 'config' | 'exitEvidence'>,
  options: FitExitsOptions,
): Promise<FittedExit[]> {
  const {arrangement, ztt} = model.config;
  const slots = exitSlots(arrangement, ztt?.exit_from_cycle ?? 2);
  if (!hasZeroTokens(arrangement.layout) || slots.length === 0) {
    throw new UsageError(
      `exits cannot be fitted: the model is ${arrangement.layout} with ${arrangement.cycles} cycles, and only ztt models with several cycles have exits.`,
    );
  }
  if (options.rows.length < FEWEST_FIT_ROWS) {
    throw new UsageError(
      `exits cannot be fitted on ${options.rows.length} rows of text; give at least ${FEWEST_FIT_ROWS}, better ${FIT_ROWS}.`,
    );
  }
  if (options.price !== undefined && !Number.isFinite(options.price)) {
    throw new UsageError(`price is ${options.price}; it must be a number of nats a token.`);
  }
  const evidence = await gather(model, new Set(slots), options);
  return evidence.map((each) => fitSlot(each, options.price));
}

/** The record of fitted exits that a model's config.json keeps. */
export const exitFitOf = (
  exits: readonly FittedExit[],
  {rows, seqLen, dataSha256}: {rows: number; seqLen: number; dataSha256: string},
): ExitFit => ({
  rows,
  seq_len: seqLen,
  data_sha256: dataSha256,
  exits: exits.map(({slot, cost, price, wanted, zeroAttention}) => ({
    slot,
    cost: {mean: cost.mean, standard_deviation: cost.standardDeviation},
    price,
    wanted,
    zero_attention: zeroAttention,
  })),
});

/** Measures the rows, some at a time. */
async function gather(
  model: Pick<Model, 'exitEvidence'>,
  slots: ReadonlySet<number>,
  {
    rows,
    tokensPerRow = DEFAULTS.tokensPerRow,
    batchTokens = DEFAULTS.batchTokens,
    ...options
  }: FitExitsOptions,
): Promise<SlotEvidence[]> {
  const parts: SlotEvidence[][] = [];
  let done = 0;
  while (done < rows.length) {
    // Engines that compute at once never yield: a Ctrl-C gets its turn here.
    await setImmediate();
    if (options.signal?.aborted) throw new InterruptedError('stopped; the model is as it was.');
    const start = done;
    for (
      let tokens = 0;
      done < rows.length && (done === start || tokens + rows[done]!.length <= batchTokens);
      done++
    ) {
      tokens += rows[done]!.length;
    }
    parts.push(await model.exitEvidence(rows.slice(start, done), {slots, tokensPerRow}));
    options.onProgress?.(done, rows.length);
  }
  return parts[0]!.map((_, i) => joined(parts.map((part) => part[i]!)));
}

/** The evidence of one slot from several batches of rows. */
function joined(parts: readonly SlotEvidence[]): SlotEvidence {
  const {slot, scale, heads} = parts[0]!;
  let rowsBefore = 0;
  const rows = parts.map((part) => {
    const shifted = part.rows.map((row) => row + rowsBefore);
    rowsBefore += part.costs.length;
    return shifted;
  });
  return {
    slot,
    scale,
    costs: Float64Array.from(parts.flatMap(({costs}) => [...costs])),
    rows: Int32Array.from(rows.flatMap((each) => [...each])),
    heads: heads.map(({key}, head) => ({
      key,
      queries: concatenated(parts.map((part) => part.heads[head]!.queries)),
      others: concatenated(parts.map((part) => part.heads[head]!.others)),
    })),
  };
}

function concatenated(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, {length}) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function fitSlot({slot, costs, rows, heads, scale}: SlotEvidence, given?: number): FittedExit {
  const mean = meanOf(costs);
  const price = given ?? mean;
  const distances = costs.map((cost) => Math.abs(cost - price));
  const unit = meanOf(distances) || 1;
  const targets = Float32Array.from(rows, (row) => (costs[row]! < price ? 1 : 0));
  const weights = Float32Array.from(rows, (row) => distances[row]! / unit);
  const data = heads.map(({queries, others}): KeyTargets => ({queries, others, targets, weights}));
  const ridge = RIDGE * scale * scale * meanOf(heads.map(({queries}) => meanOf(queries.map((q) => q * q))));
  const keys = data.map((each, head) => fitKey(each, {scale, ridge}, heads[head]!.key));
  const zeroOf = (target: number) => {
    const zeros = data.flatMap((each, head) => {
      return [...zeroAttention(each, scale, keys[head]!)].filter((_, token) => targets[token] === target);
    });
    return zeros.length > 0 ? meanOf(zeros) : 0;
  };
  return {
    slot,
    cost: {mean, standardDeviation: Math.sqrt(meanOf(costs.map((cost) => (cost - mean) ** 2)))},
    price,
    wanted: costs.filter((cost) => cost < price).length / costs.length,
    zeroAttention: {wanted: zeroOf(1), others: zeroOf(0)},
    keys: Float32Array.from(keys.flatMap((key) => [...key])),
  };
}

function meanOf(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i]!;
  return sum / values.length;
}
