import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';

/**
 * What one question, or document, adds to a measure, which is the sum of values over the sum of weights: for accuracy
 * 1 or 0 of 1, for bits per byte a document's bits of its bytes.
 */
export interface Item {
  value: number;
  weight: number;
}

/** Of each seed, an item for each question, in the same order. */
export type Seeds = readonly (readonly Item[])[];

export interface Difference {
  /** The first's measure less the second's, as they were measured. */
  value: number;
  /** The middle 95 % of resampled differences. */
  low: number;
  high: number;
  /** How often a resampled difference is on the other side of 0, twice: a two-sided p-value, at least 1 / resamples. */
  p: number;
}

const RESAMPLES = 2000;

/** The measure: the sum of values over the sum of weights, averaged over seeds. */
export const measureOf = (seeds: Seeds): number =>
  seeds.reduce((sum, items) => {
    const value = items.reduce((total, item) => total + item.value, 0);
    return sum + value / items.reduce((total, item) => total + item.weight, 0);
  }, 0) / seeds.length;

/**
 * The difference of two models on the same questions by a paired bootstrap (Efron and Tibshirani 1993, chapter 16):
 * seeds, where there are several, and questions are drawn with replacement, the same for both, so that hard questions
 * and lucky seeds do not count as noise twice.
 * @param a - of as many seeds and questions as `b`
 */
export function pairedDifference(a: Seeds, b: Seeds, seed = 0): Difference {
  const random = xoroshiro128plus(seed);
  const S = a.length;
  const Q = a[0]!.length;
  const drawn = new Float64Array(RESAMPLES);
  for (let i = 0; i < RESAMPLES; i++) {
    const questions = Int32Array.from({length: Q}, () => uniformInt(random, 0, Q - 1));
    let sum = 0;
    for (let k = 0; k < S; k++) {
      const s = S > 1 ? uniformInt(random, 0, S - 1) : 0;
      sum += ratioOf(a[s]!, questions) - ratioOf(b[s]!, questions);
    }
    drawn[i] = sum / S;
  }
  drawn.sort();
  const value = measureOf(a) - measureOf(b);
  const below = drawn.filter((each) => each <= 0).length / RESAMPLES;
  const above = drawn.filter((each) => each >= 0).length / RESAMPLES;
  return {
    value,
    low: drawn[Math.floor(0.025 * RESAMPLES)]!,
    high: drawn[Math.ceil(0.975 * RESAMPLES) - 1]!,
    p: Math.min(1, Math.max(1 / RESAMPLES, 2 * Math.min(below, above))),
  };
}

function ratioOf(items: readonly Item[], questions: Int32Array): number {
  let value = 0;
  let weight = 0;
  for (const question of questions) {
    value += items[question]!.value;
    weight += items[question]!.weight;
  }
  return value / weight;
}
