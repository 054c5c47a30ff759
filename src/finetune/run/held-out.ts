import type {Batch} from '../../data/index.js';
import {rowFlops, type Model, type RowScore} from '../../model/index.js';
import {
  afterHalf,
  batchTokensOf,
  natsOf,
  scoreText,
  summariseText,
  textOutcome,
  type TextOutcome,
  type TextRow,
} from '../../score/index.js';
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
 * @param text - sequences of at least 2 tokens
 */
export async function measureHeldOut(
  model: Model,
  text: Batch,
  {batchSize, thresholds}: HeldOutOptions,
): Promise<HeldOutMetrics> {
  const started = performance.now();
  const rows = afterHalf(text);
  const batchTokens = batchTokensOf(rows, batchSize);
  const whole = rows.map((row) => ({...row, from: 1}));
  const full = await scoreText(model, whole, {threshold: 1, exitScores: true, batchTokens});
  const exits = [
    exitMetrics(
      1,
      full.scores.map((score, i) => afterContext(model, rows[i]!, score)),
    ),
  ];
  for (const threshold of thresholds.filter((value) => value < 1)) {
    exits.push(exitMetrics(threshold, (await scoreText(model, rows, {threshold, batchTokens})).outcomes));
  }
  const {nats, tokens} = natsOf(full.outcomes);
  return {
    loss: nats / Math.max(1, tokens),
    zero_attention: full.scores[0]!.zeroAttention.map((_, slot) =>
      mean(full.scores.map((row) => row.zeroAttention[slot]!)),
    ),
    exits,
    blocks: rows.length,
    seconds: (performance.now() - started) / 1000,
  };
}

/**
 * What a sequence gives after its context, out of the score of all its tokens at full depth: as a threshold that is
 * never exceeded would give it, for which the LM head runs after the context alone.
 */
function afterContext({config}: Pick<Model, 'config'>, row: TextRow, score: RowScore): TextOutcome {
  const {ids, from} = row;
  const cost = {tokens: ids.length - 1, slots: score.slots, exited: false, scored: ids.length - from};
  const rest = {
    ...score,
    logProbabilities: score.logProbabilities.subarray(from - 1),
    greedy: score.greedy.slice(from - 1),
    flops: rowFlops(config.arch, config.arrangement, cost),
  };
  return textOutcome(row, rest, config.arch);
}

function exitMetrics(threshold: number, outcomes: readonly TextOutcome[]): ExitMetrics {
  const {loss, mean_slots, flops_per_token} = summariseText(outcomes);
  const exitsBySlot = new Map<number, number>();
  for (const {cost} of outcomes) exitsBySlot.set(cost.slots, (exitsBySlot.get(cost.slots) ?? 0) + 1);
  return {threshold, loss, mean_slots, flops_per_token, exits_by_slot: Object.fromEntries(exitsBySlot)};
}

const mean = (values: readonly number[]): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
