import {expect} from 'vitest';
import {expectClose} from '../helpers/close.js';

/** Sums of float32 log-probabilities in another order: absolute, and relative for long texts. */
export function expectLikelihoods(actual: readonly number[], wanted: readonly number[], what: string): void {
  for (const [i, value] of wanted.entries()) {
    expectClose([actual[i]!], [value], Math.max(1e-4, 1e-6 * Math.abs(value)), `${what}, ${i}`);
  }
  expect(actual, what).toHaveLength(wanted.length);
}

/** The numbers of a task's results, and their errors. */
export function expectResults(
  actual: Record<string, number | string>,
  results: Record<string, number | string>,
): void {
  const wanted = Object.entries(results).filter(([key]) => key.includes(',') && !key.startsWith('acc_bytes'));
  const keys = Object.keys(actual).filter((key) => key.includes(','));
  expect(keys.sort()).toEqual(wanted.map(([key]) => key).sort());
  for (const [key, value] of wanted) {
    const found = actual[key];
    if (typeof value === 'string' || typeof found !== 'number') expect(found, key).toBe(value);
    // Accuracies are counts; a perplexity carries the rounding of its log-likelihoods.
    else expectClose([found], [value], (key.startsWith('acc') ? 1e-12 : 1e-4) * Math.abs(value), key);
  }
}
