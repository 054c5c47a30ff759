import type {Batch} from '../data/index.js';
import type {ExitRule} from '../model/index.js';
import {
  addCosts,
  afterHalf,
  batchTokensOf,
  natsOf,
  outcomeAt,
  scoreTextAtExits,
  summarise,
  type AtExits,
  type Cost,
  type ExitScorer,
} from '../score/index.js';
import type {Item} from './bootstrap.js';
import type {TaskOutcome} from './outcome.js';
import type {ExitSettings} from './variants.js';

/** What a sequence of text gives at every exit: the nats of its second half, over how many tokens, and what that took. */
export type BlockExits = AtExits<{item: Item; cost: Cost}>;

/** Sequences at a time. */
const BATCH = 8;

/**
 * Scores sequences at every exit. They exit by the first half of their tokens, and the rest is scored: no score looks
 * ahead. Tokens that do not count in training do not here.
 */
export async function blockExits(
  model: ExitScorer,
  text: Batch,
  {exitScore, exitFromCycle, maxCycles}: ExitSettings,
  signal: AbortSignal,
): Promise<BlockExits[]> {
  const rows = afterHalf(text);
  const batching = {batchTokens: batchTokensOf(rows, BATCH), signal};
  const found = await scoreTextAtExits(model, rows, {exitScore, exitFromCycle, maxCycles}, batching);
  return found.map(({scores, outcomes}) => ({
    scores,
    outcomes: outcomes.map((outcome) => {
      const {nats, tokens} = natsOf([outcome]);
      return {item: {value: nats, weight: tokens}, cost: outcome.cost};
    }),
  }));
}

/** What sequences give where they exit by a rule. Null where no token counts. */
export function heldOutAt(blocks: readonly BlockExits[], rule: ExitRule): TaskOutcome | null {
  const taken = blocks.map((block) => outcomeAt(block, rule));
  const items = taken.map(({item}) => item);
  if (items.every(({weight}) => weight === 0)) return null;
  const {flops_ratio_to_source, mean_slots} = summarise(addCosts(taken.map(({cost}) => cost)));
  return {metric: 'loss', items, flops_ratio_to_source, mean_slots};
}
