import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {costReliability, signalQuality} from '../../src/score/exit-quality.js';

const random = xoroshiro128plus(4);
const uniform = () => uniformFloat64(random);
/** Nearly normal, with a deviation of 1. */
const normal = () => Array.from({length: 12}, uniform).reduce((sum, value) => sum + value, -6);

describe('a signal', () => {
  // Costs 1 to 8, of which the cheapest quarter is 1.5 of a mean of 4.5.
  const costs = [3, 1, 8, 5, 2, 7, 4, 6];

  it('that knows the costs has the least share of random, and the wrong way round the largest', () => {
    const best = signalQuality(costs.map((cost) => ({score: -cost, cost})));
    expect(best.correlation!.value).toBeCloseTo(-1, 12);
    expect(best.shares.map(({share, of_random: share_of}) => [share, share_of!.value])).toEqual([
      [0.25, 1.5 / 4.5],
      [0.5, 2.5 / 4.5],
      [0.75, 3.5 / 4.5],
    ]);
    expect(best.shares.map(({cost}) => cost!.value)).toEqual([1.5, 2.5, 3.5]);
    const worst = signalQuality(costs.map((cost) => ({score: cost, cost})));
    expect(worst.correlation!.value).toBeCloseTo(1, 12);
    expect(worst.shares[0]!.of_random!.value).toBeCloseTo(7.5 / 4.5, 12);
  });

  it('is below 0 of random where those that exit gain', () => {
    const [first] = signalQuality([-1, -1, 3, 3].map((cost) => ({score: -cost, cost}))).shares;
    expect(first!.of_random!.value).toBe(-1);
  });

  const texts = (count: number) =>
    Array.from({length: count}, () => {
      const worth = normal();
      return {worth, cost: 0.5 + worth + 0.5 * normal(), noise: uniform()};
    });

  it('has intervals of which 95 % hold random where it says nothing', () => {
    const silent = Array.from({length: 60}, () =>
      signalQuality(texts(40).map(({noise, cost}) => ({score: noise, cost}))),
    );
    const holds = ({low, high}: {low: number; high: number}, value: number) => low < value && value < high;
    for (const held of [
      silent.filter(({correlation}) => holds(correlation!, 0)),
      silent.filter(({shares}) => holds(shares[1]!.of_random!, 1)),
    ]) {
      expect(held.length).toBeGreaterThan(50);
    }
    expect(silent.some(({correlation}) => Math.abs(correlation!.value) > 0.1)).toBe(true);
  });

  it('has intervals away from random where it tells', () => {
    const telling = signalQuality(texts(200).map(({worth, cost}) => ({score: -worth, cost})));
    expect(telling.correlation!.high).toBeLessThan(-0.7);
    expect(telling.shares[1]!.of_random!.high).toBeLessThan(0.5);
  });

  it('is not defined by rank where all scores tie, nor as a share of a cost of 0 or below', () => {
    expect(signalQuality(costs.map((cost) => ({score: 0.5, cost}))).correlation).toBeNull();
    const free = signalQuality([1, -1, 2, -2].map((cost) => ({score: cost, cost})));
    expect(free.shares[0]!.of_random).toBeNull();
    const gain = signalQuality(costs.map((cost) => ({score: cost, cost: -cost})));
    expect(gain.shares[1]!.of_random).toBeNull();
    expect(free.shares[0]!.cost!.value).toBe(2);
  });

  it('ranks ties by their mean', () => {
    // Ranks 0.5, 0.5, 2, 3 against 0, 1, 2, 3: a correlation of 4.5 / sqrt(4.5 x 5).
    const {correlation} = signalQuality([1, 1, 2, 3].map((score, i) => ({score, cost: i})));
    expect(correlation!.value).toBeCloseTo(4.5 / Math.sqrt(22.5), 12);
  });
});

describe('the reliability of costs', () => {
  it('is the share of their variance that is not luck', () => {
    // Texts differ with a variance of 1, and the mean of 16 tokens of variance 16 adds as much.
    const costs = Array.from({length: 4000}, () => {
      const own = normal();
      return Float64Array.from({length: 16}, () => own + 4 * normal());
    });
    expect(Math.abs(costReliability(costs) - 0.5)).toBeLessThan(0.04);
  });

  it('is 0 where there is only luck, and 1 where there is none', () => {
    const luck = Array.from({length: 400}, () => Float64Array.from({length: 16}, normal));
    expect(costReliability(luck)).toBeLessThan(0.2);
    const sure = Array.from({length: 8}, (_, i) => new Float64Array(16).fill(i));
    expect(costReliability(sure)).toBe(1);
    expect(costReliability(sure.map(() => new Float64Array(4)))).toBe(0);
  });
});
