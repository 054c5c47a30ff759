import {seededBy} from '../../data/index.js';
import type {RowExits} from '../../model/index.js';

/** What of a run decides which tokens leave the cycles early. */
export interface MixedDepthOptions {
  seed: number;
  /** The share of the rows of which some tokens leave. */
  mixedDepths: number;
}

/**
 * Which tokens of a row leave the cycles early in a step. Of so many rows as `mixedDepths` says, a share of the tokens
 * leaves that is drawn evenly from 0 to 1: in half of these rows tokens at random, in the others those with the most zero
 * attention. It depends on the seed, the step and the row alone.
 * @param step - 1-based
 * @param row - the row's place in the step's batch
 * @param tokens - how many tokens the row has
 * @returns null where none leaves
 */
export function rowExits(
  {seed, mixedDepths}: MixedDepthOptions,
  {step, row, tokens}: {step: number; row: number; tokens: number},
): RowExits | null {
  const random = seededBy(seed, step, row, PURPOSE);
  const draw = () => (random.next() >>> 0) / 2 ** 32;
  const [chosen, share, atRandom] = [draw() < mixedDepths, draw(), draw() < 0.5];
  if (!chosen) return null;
  return {share, by: atRandom ? Array.from({length: tokens}, draw) : 'zero-attention'};
}

/** Keeps these numbers apart from those of dropout, which has a stretch, from 0 on, in this place. */
const PURPOSE = -1;
