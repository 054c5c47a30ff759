import {describe, expect, it} from 'vitest';
import {EXIT_SIGNALS} from '../../../src/model/exits/signals.js';

/** Zero attention of a zero logit among keys. */
function zeroAttention(zero: number, keys: number[]): number {
  const sum = keys.reduce((total, key) => total + Math.exp(key), 0);
  return Math.exp(zero) / (Math.exp(zero) + sum);
}

describe('the exit score', () => {
  it('is the mean zero attention over heads', () => {
    const z = Float32Array.of(0.5, 0.25, 1, 0);
    expect([...EXIT_SIGNALS['zero-attention'].score({z, keys: [1, 9]})]).toEqual([0.375, 0.5]);
  });

  it('length-normalised, sets the zero token against the mean of the keys', () => {
    const keys = [0.3, -1.2, 2.5, 0.1, 0.9];
    const mean = keys.reduce((sum, key) => sum + Math.exp(key), 0) / keys.length;
    const z = Float32Array.of(zeroAttention(0.7, keys));
    const [score] = EXIT_SIGNALS['length-normalised'].score({z, keys: [5]});
    expect(score).toBeCloseTo(Math.exp(0.7) / (Math.exp(0.7) + mean), 6);
  });

  it('length-normalised, does not fall with the context where zero attention does', () => {
    for (const n of [1, 10, 1000]) {
      const z = Float32Array.of(zeroAttention(0.4, Array<number>(n).fill(0.4)));
      expect(z[0]).toBeCloseTo(1 / (n + 1), 6);
      expect(EXIT_SIGNALS['length-normalised'].score({z, keys: [n]})[0]).toBeCloseTo(0.5, 6);
    }
  });

  it('length-normalised, is between 0 and 1 at the ends, and zero attention itself for one key', () => {
    const z = Float32Array.of(0, 1, 0.123);
    expect([...EXIT_SIGNALS['length-normalised'].score({z, keys: [50, 50, 1]})]).toEqual([0, 1, z[2]]);
  });
});
