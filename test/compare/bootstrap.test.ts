import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {measureOf, pairedDifference, type Item} from '../../src/compare/bootstrap.js';

/** Right or wrong, by chance. */
function answers(questions: number, share: number, seed: number): Item[] {
  const random = xoroshiro128plus(seed);
  return Array.from({length: questions}, () => ({value: uniformFloat64(random) < share ? 1 : 0, weight: 1}));
}

describe('a paired bootstrap', () => {
  it('is nothing between equals', () => {
    const one = [answers(50, 0.6, 1)];
    expect(pairedDifference(one, one)).toEqual({value: 0, low: 0, high: 0, p: 1});
  });

  it('has the interval of a normal approximation on many questions', () => {
    const [a, b] = [answers(2000, 0.7, 1), answers(2000, 0.62, 2)];
    const differences = a.map(({value}, i) => value - b[i]!.value);
    const mean = differences.reduce((sum, each) => sum + each, 0) / 2000;
    const variance = differences.reduce((sum, each) => sum + (each - mean) ** 2, 0) / 1999;
    const half = 1.96 * Math.sqrt(variance / 2000);
    const {value, low, high, p} = pairedDifference([a], [b]);
    expect(value).toBeCloseTo(mean, 12);
    expect(Math.abs(low - (mean - half))).toBeLessThan(0.1 * half);
    expect(Math.abs(high - (mean + half))).toBeLessThan(0.1 * half);
    expect(p).toBeLessThan(0.01);
  });

  it('is the same the other way round, and each time', () => {
    const [a, b] = [[answers(80, 0.7, 1)], [answers(80, 0.5, 2)]];
    const [forth, back] = [pairedDifference(a, b), pairedDifference(b, a)];
    expect(back.value).toBe(-forth.value);
    expect(back.p).toBe(forth.p);
    expect(pairedDifference(a, b)).toEqual(forth);
  });

  it('pairs questions: a model that is always right where the other is, and once more, is surely better', () => {
    const b = answers(100, 0.5, 3);
    const a = b.map((item, i) => (i % 10 === 0 ? {value: 1, weight: 1} : item));
    const paired = pairedDifference([a], [b]);
    const unpaired = pairedDifference([a], [[...b].reverse()]);
    expect(paired.low).toBeGreaterThan(0);
    expect(unpaired.low).toBeLessThan(0);
  });

  it('counts seeds that disagree as doubt', () => {
    const b = answers(400, 0.5, 4);
    const seed = (share: number, from: number) => answers(400, share, from);
    const agreeing = pairedDifference([seed(0.6, 5), seed(0.6, 6), seed(0.6, 7)], [b, b, b]);
    const disagreeing = pairedDifference([seed(0.4, 5), seed(0.6, 6), seed(0.8, 7)], [b, b, b]);
    expect(disagreeing.high - disagreeing.low).toBeGreaterThan(2 * (agreeing.high - agreeing.low));
  });

  it('is of sums over sums: long documents count for more', () => {
    const a = [
      {value: 90, weight: 90},
      {value: 20, weight: 10},
    ];
    const b = [
      {value: 180, weight: 90},
      {value: 10, weight: 10},
    ];
    expect(measureOf([a])).toBeCloseTo(1.1, 12);
    expect(pairedDifference([a], [b]).value).toBeCloseTo(1.1 - 1.9, 12);
  });
});
