import {setImmediate} from 'node:timers/promises';
import type {Batch} from '../../data/index.js';
import {rowFlops, type Model, type RowScore, type ScoreRow} from '../../model/index.js';
import type {ExitMetrics, HeldOutMetrics} from '../records/metrics.js';

export interface HeldOutOptions {
  /** Blocks scored at a time. */
  batchSize: number;
  /** Exit thresholds to measure besides full depth. */
  thresholds: readonly number[];
}

/**
 * What the held-out sequences give at full depth and at thresholds. A sequence exits by the first half of its tokens,
 * and only the rest is scored at thresholds: no score looks ahead. Tokens that do not count in training do not here.
 * @param heldOut - sequences of at least 2 tokens
 */
export async function measureHeldOut(
  model: Model,
  {ids: blocks, lossMask}: Batch,
  {batchSize, thresholds}: HeldOutOptions,
): Promise<HeldOutMetrics> {
  const started = performance.now();
  const contexts = blocks.map((ids) => Math.ceil((ids.length - 1) / 2));
  const fullRows = blocks.map((ids, i) => ({ids, from: 1, contextLength: contexts[i]!}));
  const full = await inBatches(model, fullRows, batchSize, {threshold: 1, exitScores: true});
  const {arch, arrangement} = model.config;
  // As at a threshold that is never exceeded: only what follows the first half is scored, and costs an LM head.
  const afterContext = full.map((score, i) => {
    const {length} = blocks[i]!;
    const cost = {tokens: length - 1, slots: score.slots, exited: false, scored: length - contexts[i]!};
    return {
      ...score,
      logProbabilities: score.logProbabilities.subarray(contexts[i]! - 1),
      flops: rowFlops(arch, arrangement, cost),
    };
  });
  const counted = (scores: readonly RowScore[]) =>
    lossMask ? scores.map((score, i) => onlyCounted(score, lossMask[i]!)) : scores;
  const rows = blocks.map((ids, i) => ({ids, from: contexts[i]!, contextLength: contexts[i]!}));
  const exits = [exitMetrics(1, counted(afterContext), rows)];
  for (const threshold of thresholds.filter((value) => value < 1)) {
    exits.push(exitMetrics(threshold, counted(await inBatches(model, rows, batchSize, {threshold})), rows));
  }
  return {
    loss: meanLoss(counted(full)),
    zero_attention: full[0]!.zeroAttention.map((_, slot) =>
      mean(full.map((row) => row.zeroAttention[slot]!)),
    ),
    exits,
    blocks: blocks.length,
    seconds: (performance.now() - started) / 1000,
  };
}

/** A score of a row's last tokens, of which only those are left that count. */
const onlyCounted = (score: RowScore, counts: readonly boolean[]): RowScore => ({
  ...score,
  logProbabilities: score.logProbabilities.filter(
    (_, i) => counts[counts.length - score.logProbabilities.length + i],
  ),
});

async function inBatches(
  model: Model,
  rows: readonly ScoreRow[],
  size: number,
  options: {threshold: number; exitScores?: boolean},
): Promise<RowScore[]> {
  const scores: RowScore[] = [];
  for (let start = 0; start < rows.length; start += size) {
    // Engines that compute at once never yield: a Ctrl-C gets its turn here.
    await setImmediate();
    scores.push(...(await model.score(rows.slice(start, start + size), options)));
  }
  return scores;
}

function exitMetrics(threshold: number, scores: readonly RowScore[], rows: readonly ScoreRow[]): ExitMetrics {
  const exitsBySlot = new Map<number, number>();
  for (const {slots} of scores) exitsBySlot.set(slots, (exitsBySlot.get(slots) ?? 0) + 1);
  const tokens = rows.reduce((n, {ids}) => n + ids.length - 1, 0);
  return {
    threshold,
    loss: meanLoss(scores),
    mean_slots: mean(scores.map(({slots}) => slots)),
    flops_per_token: scores.reduce((sum, {flops}) => sum + flops, 0) / tokens,
    exits_by_slot: Object.fromEntries(exitsBySlot),
  };
}

/** The mean negative log-probability of the scored tokens; 0 if there are none. */
function meanLoss(scores: readonly RowScore[]): number {
  let nats = 0;
  let tokens = 0;
  for (const {logProbabilities} of scores) {
    for (const value of logProbabilities) nats -= value;
    tokens += logProbabilities.length;
  }
  return nats / Math.max(1, tokens);
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
