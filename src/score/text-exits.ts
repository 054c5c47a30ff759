import type {ExitsOptions} from '../model/index.js';
import type {BatchingOptions} from './batches.js';
import {costReliability, signalQuality, type SignalQuality} from './exit-quality.js';
import type {ExitScorer} from './exits.js';
import {scoreTextAtExits, type TextRow} from './text.js';

/** What an exit costs texts, and how well it is known beforehand which of them can take it. */
export interface TextExits {
  /** Texts that were looked at. */
  texts: number;
  /** Slots that run where all exit here, and at full depth. */
  slots: number;
  full_slots: number;
  /** The mean loss of all texts at this exit less that at full depth, in nats a token. */
  cost: number;
  /** The share of the variance of texts' costs that is not the luck of their tokens, from 0 to 1. */
  reliability: number;
  /** The model's own signal. */
  signal: SignalQuality;
  /** The cost of the exit in the context itself, which needs full depth to be known: what a signal may hope for. */
  context_cost: SignalQuality;
}

/** The fewest texts and tokens of a text that say anything. */
const MIN_TEXTS = 8;
const MIN_TOKENS = 16;

/**
 * Measures every exit on texts: the first half of a text's tokens decides, the second half is scored.
 * @returns one an exit, in the order of slots; none for too few texts that are long enough
 * @throws as `scoreTextAtExits`
 */
export async function measureTextExits(
  model: ExitScorer,
  texts: readonly (readonly number[])[],
  where: ExitsOptions,
  batching: BatchingOptions,
): Promise<TextExits[]> {
  const long = texts.filter(({length}) => length > MIN_TOKENS);
  if (long.length < MIN_TEXTS) return [];
  const halves = long.map(({length}) => Math.ceil((length - 1) / 2));
  const rows = long.map((ids, i): TextRow => ({ids, from: 1, contextLength: halves[i]!}));
  const scored = await scoreTextAtExits(model, rows, where, batching);
  const exits = scored[0]!.scores.length;
  return Array.from({length: exits}, (_, exit) => {
    const costs = scored.map(({outcomes}) => {
      const [own, full] = [outcomes[exit]!.logProbabilities, outcomes.at(-1)!.logProbabilities];
      return Float64Array.from(own, (value, token) => full[token]! - value);
    });
    // The first scored token is the second of the text.
    const context = costs.map((own, i) => mean(own.subarray(0, halves[i]! - 1)));
    const rest = costs.map((own, i) => own.subarray(halves[i]! - 1));
    const cost = rest.map(mean);
    const slotsAt = (place: number) => scored[0]!.outcomes.at(place)!.cost.slots;
    return {
      texts: long.length,
      slots: slotsAt(exit),
      full_slots: slotsAt(-1),
      cost: mean(Float64Array.from(cost)),
      reliability: costReliability(rest),
      signal: signalQuality(scored.map(({scores}, i) => ({score: scores[exit]!, cost: cost[i]!}))),
      context_cost: signalQuality(context.map((own, i) => ({score: -own, cost: cost[i]!}))),
    };
  });
}

const mean = (values: Float64Array): number => values.reduce((sum, value) => sum + value, 0) / values.length;
