import {requireWhole, UsageError} from '../errors.js';
import {type ScoreOptions, type Scorer} from './batches.js';
import type {CostSummary} from './cost.js';
import {scoreText, summariseText, type TextRow} from './text.js';

export interface WindowOptions {
  /** Tokens in a window: at most one more than the model reads. */
  window: number;
  /** The first tokens of each window: they are not scored and alone decide its exit. From 1 to window - 1. */
  context: number;
  /** Windows to use, from the first; default all. */
  limit?: number;
}

export interface HeldOutOptions extends WindowOptions, ScoreOptions {}

export interface HeldOutResult extends CostSummary {
  /** exp of the mean negative log-probability of a scored token. */
  perplexity: number;
  /** The share of scored tokens that were the most likely one. */
  accuracy: number;
  /** Tokens scored. */
  scored_tokens: number;
  /** Of each window, where `exitScores` asked for them: the score of each slot that may exit, at full depth. */
  exit_scores: number[][];
  /** Wall time of scoring. */
  seconds: number;
}

/**
 * A text's windows, `window - context` tokens apart, so that every token but the text's first `context` is
 * scored once. The last may be shorter.
 * @throws UsageError for windows that cannot be, or a text too short for one
 */
export function heldOutWindows(
  tokens: readonly number[],
  {window, context, limit}: WindowOptions,
  maxPositions: number,
): TextRow[] {
  requireWhole('window', window, 2, maxPositions + 1);
  requireWhole('context', context, 1, window - 1);
  if (limit !== undefined) requireWhole('limit', limit, 1, Number.MAX_SAFE_INTEGER);
  if (tokens.length <= context) {
    throw new UsageError(
      `the text has ${tokens.length} tokens; with ${context} of context at least ${context + 1} are needed.`,
    );
  }
  const stride = window - context;
  const count = Math.ceil((tokens.length - context) / stride);
  return Array.from({length: Math.min(count, limit ?? count)}, (_, i) => ({
    ids: tokens.slice(i * stride, i * stride + window),
    from: context,
    contextLength: context,
  }));
}

/**
 * Next-token perplexity and accuracy on a text, with what they cost at a threshold. Each window exits by its
 * own context, before any token that is scored: no score looks ahead.
 * @param tokens - the text's token ids
 * @throws UsageError as `heldOutWindows` and `scoreGroups`; InterruptedError once the signal aborts
 */
export async function evaluateHeldOut(
  model: Scorer,
  tokens: readonly number[],
  {window, context, limit, ...options}: HeldOutOptions,
): Promise<HeldOutResult> {
  const rows = heldOutWindows(tokens, {window, context, limit}, model.config.arch.maxPositions);
  const {scores, outcomes, seconds} = await scoreText(model, rows, options);
  const {loss, ...summary} = summariseText(outcomes);
  return {
    perplexity: Math.exp(loss),
    ...summary,
    exit_scores: scores.map(({exitScores}) => exitScores),
    seconds,
  };
}
