import type {Architecture, ExitsOptions, RowScore, ScoreRow} from '../model/index.js';
import {scoreGroups, type BatchingOptions, type ScoreOptions, type Scorer} from './batches.js';
import {addCosts, costOf, summarise, type Cost, type CostSummary} from './cost.js';
import {scoreGroupsAtExits, type AtExits, type ExitScorer} from './exits.js';

/** A sequence of text. The tokens before `from` are not scored. */
export interface TextRow extends ScoreRow {
  /** For each of `ids`, whether it counts; all do unless given. */
  counts?: readonly boolean[];
}

/** What the tokens of a sequence gave that are scored and count. */
export interface TextOutcome {
  /** The log-probability of each, in nats. */
  logProbabilities: Float32Array;
  /** How many of them were the likeliest token. */
  hits: number;
  /** Of the whole sequence. */
  cost: Cost;
}

export interface ScoredText {
  /** One a sequence, with all its scored tokens. */
  scores: RowScore[];
  outcomes: TextOutcome[];
  /** Wall time. */
  seconds: number;
}

/**
 * Sequences that exit by the first half of their tokens, and of which the rest is scored: no score looks ahead.
 * @param lossMask - for each token, whether it counts
 */
export const afterHalf = ({
  ids: sequences,
  lossMask,
}: {
  ids: readonly (readonly number[])[];
  lossMask?: readonly (readonly boolean[])[];
}): TextRow[] =>
  sequences.map((ids, i) => {
    const half = Math.ceil((ids.length - 1) / 2);
    return {ids, from: half, contextLength: half, ...(lossMask && {counts: lossMask[i]!})};
  });

/** The tokens in a batch of so many sequences. */
export const batchTokensOf = (rows: readonly TextRow[], sequences: number): number =>
  sequences * Math.max(1, ...rows.map(({ids}) => ids.length - 1));

/** Scores sequences, each by itself. @throws as `scoreGroups` */
export async function scoreText(
  model: Scorer,
  rows: readonly TextRow[],
  options: ScoreOptions,
): Promise<ScoredText> {
  const groups = rows.map((row) => [row]);
  const {results, seconds} = await scoreGroups(model, groups, options);
  const scores = results.flat();
  return {scores, outcomes: rows.map((row, i) => textOutcome(row, scores[i]!, model.config.arch)), seconds};
}

/** Scores sequences at every exit. @throws as `scoreGroupsAtExits` */
export async function scoreTextAtExits(
  model: ExitScorer,
  rows: readonly TextRow[],
  where: ExitsOptions,
  batching: BatchingOptions,
): Promise<AtExits<TextOutcome>[]> {
  const groups = rows.map((row) => [row]);
  const {results} = await scoreGroupsAtExits(model, groups, where, batching);
  return results.flat().map((exits, i) => ({
    scores: exits.at(-1)!.exitScores,
    outcomes: exits.map((score) => textOutcome(rows[i]!, score, model.config.arch)),
  }));
}

/** What a sequence gave, from its score. */
export function textOutcome(row: TextRow, score: RowScore, arch: Architecture): TextOutcome {
  const {counts} = row;
  // A score is of a row's last tokens, and so are the last marks.
  const skipped = counts ? counts.length - score.logProbabilities.length : 0;
  const counted = (_: unknown, i: number) => !counts || counts[skipped + i]!;
  return {
    logProbabilities: score.logProbabilities.filter(counted),
    hits: score.greedy.filter(counted).filter(Boolean).length,
    cost: costOf([row], [score], arch),
  };
}

/** The summed negative log-probability of tokens, in nats, and how many they are. */
export function natsOf(outcomes: readonly Pick<TextOutcome, 'logProbabilities'>[]): {
  nats: number;
  tokens: number;
} {
  let [nats, tokens] = [0, 0];
  for (const {logProbabilities} of outcomes) {
    for (const value of logProbabilities) nats -= value;
    tokens += logProbabilities.length;
  }
  return {nats, tokens};
}

export interface TextSummary extends CostSummary {
  /** The mean negative log-probability of a token that counts, in nats; 0 if there is none. */
  loss: number;
  /** The share of them that were the likeliest token. */
  accuracy: number;
  /** How many they are. */
  scored_tokens: number;
}

/** What sequences gave together. @param outcomes - of at least one sequence */
export function summariseText(outcomes: readonly TextOutcome[]): TextSummary {
  const {nats, tokens} = natsOf(outcomes);
  const hits = outcomes.reduce((sum, outcome) => sum + outcome.hits, 0);
  return {
    loss: nats / Math.max(1, tokens),
    accuracy: hits / Math.max(1, tokens),
    scored_tokens: tokens,
    ...summarise(addCosts(outcomes.map(({cost}) => cost))),
  };
}
