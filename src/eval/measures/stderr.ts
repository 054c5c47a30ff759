import {PythonRandom} from './python-random.js';

/** Resamples that one generator draws. */
const CHUNK = 1000;

/** The mean of at least one value. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The sample deviation, with n - 1, of at least two values. */
function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(values.reduce((sum, value) => sum + (value - centre) ** 2, 0) / (values.length - 1));
}

/** The standard error of the mean of at least two values: s / sqrt(n). */
export function meanStderr(values: readonly number[]): number {
  return deviation(values) / Math.sqrt(values.length);
}

/**
 * The bootstrap's standard error of exp(-mean), digit for digit the harness's: chunk c of up to 1000 resamples
 * is drawn with replacement by Python's `random.Random(c)`; what is left over of `iterations` is not drawn.
 * @param iterations - resamples, at least 2
 */
export function bootstrapPerplexityStderr(values: readonly number[], iterations: number): number {
  const n = values.length;
  const size = Math.min(CHUNK, iterations);
  const replicates: number[] = [];
  for (let chunk = 0; chunk < Math.floor(iterations / size); chunk++) {
    const random = new PythonRandom(chunk);
    for (let draw = 0; draw < size; draw++) {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += values[random.index(n)]!;
      replicates.push(Math.exp(-sum / n));
    }
  }
  return deviation(replicates);
}
