import {setImmediate} from 'node:timers/promises';
import type {Batch} from '../data/index.js';
import {addCosts, costOf, outcomeAt, summarise, type Cost} from '../eval/index.js';
import type {ExitRule, Model, RowScore, ScoreRow} from '../model/index.js';
import type {Item} from './bootstrap.js';
import type {TaskOutcome} from './outcome.js';
import type {ExitSettings} from './variants.js';

/** What a sequence of text gives at every exit, the last of which is full depth. */
export interface BlockExits {
  /** The score that decides each exit but the last; none where nothing can decide. */
  scores: readonly number[];
  /** By exit: the sum of nats of its second half, over how many tokens, and what that took. */
  outcomes: readonly {item: Item; cost: Cost}[];
}

/** Sequences at a time. */
const BATCH = 8;

/**
 * Scores sequences at every exit. They exit by the first half of their tokens, and the rest is scored: no score looks
 * ahead. Tokens that do not count in training do not here.
 */
export async function blockExits(
  model: Model,
  {ids: blocks, lossMask}: Batch,
  {exitScore, exitFromCycle, maxCycles}: ExitSettings,
  signal: AbortSignal,
): Promise<BlockExits[]> {
  const found: BlockExits[] = [];
  for (let start = 0; start < blocks.length; start += BATCH) {
    // Engines that compute at once never yield: a signal gets its turn here.
    await setImmediate();
    signal.throwIfAborted();
    const rows = blocks.slice(start, start + BATCH).map((ids): ScoreRow => {
      const half = Math.ceil((ids.length - 1) / 2);
      return {ids, from: half, contextLength: half};
    });
    const exits = await model.scoreExits(rows, {exitScore, exitFromCycle, maxCycles});
    for (const [i, row] of rows.entries()) {
      const counts = lossMask?.[start + i];
      found.push({
        scores: exits.at(-1)!.scores[i]!.exitScores,
        outcomes: exits.map(({scores}) => ({
          item: itemOf(scores[i]!, counts),
          cost: costOf([row], [scores[i]!], model.config.arch),
        })),
      });
    }
  }
  return found;
}

function itemOf({logProbabilities}: RowScore, counts: readonly boolean[] | undefined): Item {
  // A score is of a row's last tokens, and so are the last marks.
  const skipped = counts ? counts.length - logProbabilities.length : 0;
  const counted = [...logProbabilities].filter((_, i) => !counts || counts[skipped + i]);
  return {value: -counted.reduce((sum, value) => sum + value, 0), weight: counted.length};
}

/** What sequences give where they exit by a rule. Null where no token counts. */
export function heldOutAt(blocks: readonly BlockExits[], rule: ExitRule): TaskOutcome | null {
  const taken = blocks.map((block) => outcomeAt(block, rule));
  const items = taken.map(({item}) => item);
  if (items.every(({weight}) => weight === 0)) return null;
  const {flops_ratio_to_source, mean_slots} = summarise(addCosts(taken.map(({cost}) => cost)));
  return {metric: 'loss', items, flops_ratio_to_source, mean_slots};
}
