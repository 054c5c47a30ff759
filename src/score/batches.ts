import {setImmediate} from 'node:timers/promises';
import {InterruptedError, requireWhole} from '../errors.js';
import type {ForwardOptions, Model, RowScore, ScoreRow} from '../model/index.js';

/** What scoring needs of a model. */
export type Scorer = Pick<Model, 'config' | 'score'>;

export interface BatchingOptions {
  /** Tokens in a batch at most, unless one group alone has more. Default 2048. */
  batchTokens?: number;
  /** Called after each batch with the groups done and all groups. */
  onProgress?: (done: number, total: number) => void;
  /** Stops before the next batch. */
  signal?: AbortSignal;
}

export interface ScoreOptions extends ForwardOptions, BatchingOptions {
  /** Whether to return the zero attention that decides exits at every threshold. */
  exitScores?: boolean;
}

/** Rows that are scored together, for they may share their first tokens: a question's choices, or one window. */
export type RowGroup = readonly ScoreRow[];

export interface Results<Result> {
  /** For each group, one result a row. */
  results: Result[][];
  /** Wall time. */
  seconds: number;
}

const BATCH_TOKENS = 2048;

/**
 * Runs groups of rows in batches of similar ones, the longest first, so that memory runs out at once or never. The
 * batches change no result beyond rounding.
 * @param run - gives one result a row, in the order of the rows
 * @throws UsageError for a batch size that cannot be, and as `run`; InterruptedError once the signal aborts
 */
export async function inBatches<Result>(
  groups: readonly RowGroup[],
  run: (rows: ScoreRow[]) => Promise<Result[]>,
  {batchTokens = BATCH_TOKENS, onProgress, signal}: BatchingOptions = {},
): Promise<Results<Result>> {
  requireWhole('batchTokens', batchTokens, 1, Number.MAX_SAFE_INTEGER);
  const results = new Array<Result[]>(groups.length);
  const began = performance.now();
  let done = 0;
  for (const batch of batches(groups, batchTokens)) {
    // Engines that compute at once never yield: timers and a Ctrl-C get their turn here.
    await setImmediate();
    if (signal?.aborted) {
      if (signal.reason instanceof InterruptedError) throw signal.reason;
      throw new InterruptedError('the evaluation was stopped; nothing was written.', {cause: signal.reason});
    }
    const own = await run(batch.flatMap((i) => groups[i]!));
    let row = 0;
    for (const i of batch) results[i] = own.slice(row, (row += groups[i]!.length));
    done += batch.length;
    onProgress?.(done, groups.length);
  }
  return {results, seconds: (performance.now() - began) / 1000};
}

/** Scores groups of rows. @throws as `inBatches`, and UsageError as `Model.score` */
export async function scoreGroups(
  model: Scorer,
  groups: readonly RowGroup[],
  options: ScoreOptions = {},
): Promise<Results<RowScore>> {
  const {batchTokens, onProgress, signal, ...forward} = options;
  return inBatches(groups, (rows) => model.score(rows, forward), {batchTokens, onProgress, signal});
}

/** The groups' indices in batches, those with the longest rows first. */
function batches(groups: readonly RowGroup[], batchTokens: number): number[][] {
  // The last token of a row is not read.
  const longest = groups.map((rows) => Math.max(...rows.map(({ids}) => ids.length - 1)));
  const order = groups.map((_, i) => i).sort((a, b) => longest[b]! - longest[a]!);
  const result: number[][] = [];
  let room = 0;
  for (const i of order) {
    const tokens = longest[i]! * groups[i]!.length;
    if (tokens > room || result.length === 0) {
      result.push([]);
      room = batchTokens;
    }
    result.at(-1)!.push(i);
    room -= tokens;
  }
  return result;
}

/** The summed log-probability of a row's scored tokens, in nats. */
export function logLikelihood({logProbabilities}: RowScore): number {
  let sum = 0;
  for (const value of logProbabilities) sum += value;
  return sum;
}
