import {setImmediate} from 'node:timers/promises';
import {InterruptedError, UsageError} from '../errors.js';
import type {ForwardOptions, Model, RowScore, ScoreRow} from '../model/index.js';
import {costOf, type Cost} from './cost.js';

/** What scoring needs of a model. */
export type Scored = Pick<Model, 'config' | 'score'>;

export interface ScoreOptions extends ForwardOptions {
  /** Tokens in a batch at most, padding included, unless one row alone has more. Default 2048. */
  batchTokens?: number;
  /** Whether to return the zero attention that decides exits at every threshold. */
  exitScores?: boolean;
  /** Called after each batch with the rows done and all rows. */
  onProgress?: (done: number, total: number) => void;
  /** Stops before the next batch. */
  signal?: AbortSignal;
}

export interface Scores {
  /** One a row, in the order of the rows. */
  scores: RowScore[];
  cost: Cost;
}

const BATCH_TOKENS = 2048;

/**
 * Scores rows of any length in batches of similar ones, the longest first, so that memory runs out at once or
 * never. The batches change no score beyond rounding.
 * @throws UsageError for a batch size that cannot be, and as `Model.score`; InterruptedError once the signal
 *   aborts
 */
export async function scoreRows(
  model: Scored,
  rows: readonly ScoreRow[],
  options: ScoreOptions = {},
): Promise<Scores> {
  const {batchTokens = BATCH_TOKENS, onProgress, signal, ...forward} = options;
  if (!(Number.isInteger(batchTokens) && batchTokens >= 1)) {
    throw new UsageError(`batchTokens is ${batchTokens}; it must be a whole number from 1.`);
  }
  const scores = new Array<RowScore>(rows.length);
  const began = performance.now();
  let done = 0;
  for (const batch of batches(rows, batchTokens)) {
    // Engines that compute at once never yield: timers and a Ctrl-C get their turn here.
    await setImmediate();
    if (signal?.aborted) {
      throw new InterruptedError('the evaluation was stopped; nothing was written.', {cause: signal.reason});
    }
    const results = await model.score(
      batch.map((i) => rows[i]!),
      forward,
    );
    for (const [k, i] of batch.entries()) scores[i] = results[k]!;
    done += batch.length;
    onProgress?.(done, rows.length);
  }
  const seconds = (performance.now() - began) / 1000;
  return {scores, cost: costOf(rows, scores, model.config.arch, seconds)};
}

/** The rows' indices in batches, the longest rows first. */
function batches(rows: readonly ScoreRow[], batchTokens: number): number[][] {
  // The last token of a row is not read.
  const length = (i: number) => rows[i]!.ids.length - 1;
  const order = rows.map((_, i) => i).sort((a, b) => length(b) - length(a));
  const result: number[][] = [];
  for (let start = 0; start < order.length;) {
    const size = Math.max(1, Math.floor(batchTokens / Math.max(1, length(order[start]!))));
    result.push(order.slice(start, (start += size)));
  }
  return result;
}

/** The summed log-probability of a row's scored tokens, in nats. */
export function logLikelihood({logProbabilities}: RowScore): number {
  let sum = 0;
  for (const value of logProbabilities) sum += value;
  return sum;
}
