import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {seededBy} from '../../data/index.js';
import {exitSlots, slots, type Arrangement} from '../../model/index.js';
import type {CurriculumShape, CycleSchedule} from '../options.js';

/** From 0 where the growth begins to 1 where it ends, by the share p of the way that is done. */
const GROWTH: Record<CurriculumShape, (p: number) => number> = {
  '1-sqrt': (p) => 1 - Math.sqrt(1 - p),
  linear: (p) => p,
};

export interface CycleOptions {
  /** Steps in all. */
  steps: number;
  seed: number;
  cycleSchedule: CycleSchedule;
  curriculumShape: CurriculumShape;
  /** The share of the steps over which a curriculum grows; the rest runs all cycles. */
  curriculumShare: number;
}

/**
 * The cycles of a step (1-based), of C that the model has. A curriculum (McLeish et al., arXiv 2511.07384) runs
 * ceil(C g(p)), with p the step's share of the way that grows and g(p) = p or 1 - sqrt(1 - p). A random number is drawn
 * evenly from 1 to C, by the seed and the step alone.
 */
export function cyclesOfStep(step: number, C: number, options: CycleOptions): number {
  const {steps, seed, cycleSchedule, curriculumShape, curriculumShare} = options;
  if (cycleSchedule === 'full') return C;
  if (cycleSchedule === 'random') return uniformInt(seededBy(seed, step, 1), 1, C);
  const p = Math.min(1, step / (curriculumShare * steps));
  return Math.max(1, Math.ceil(C * GROWTH[curriculumShape](p)));
}

/**
 * The slots with a zero token, as a step (1-based) sees them. `slots` has one of those where a model may exit, drawn by
 * the seed and the step alone: the cost of an exit there is measured, which takes a pass through the tail and the LM
 * head. `closed` has all that are not exits: there a zero token only takes attention away.
 */
export function exitSlotsOfStep(
  step: number,
  arrangement: Arrangement,
  exitFromCycle: number,
  seed: number,
): {slots: Set<number>; closed: Set<number>} {
  const open = exitSlots(arrangement, exitFromCycle);
  const drawn = open.length > 0 ? [open[uniformInt(seededBy(seed, step, 2), 0, open.length - 1)]!] : [];
  const all = slots(arrangement).keys();
  return {slots: new Set(drawn), closed: new Set([...all].filter((slot) => !open.includes(slot)))};
}

/** Whether a step (1-based) trains for exits: after the first `exitsFrom` of the steps, which train full depth alone. */
export const trainsExits = (step: number, {steps, exitsFrom}: {steps: number; exitsFrom: number}): boolean =>
  step > exitsFrom * steps;
