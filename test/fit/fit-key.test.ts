import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {fitKey, zeroAttention, type KeyTargets} from '../../src/fit/fit-key.js';
import {minimise} from '../../src/fit/minimise.js';

describe('minimise', () => {
  it('finds the minimum of a badly scaled quadratic', () => {
    const scales = [1, 100, 1e4];
    const x = minimise(
      (x, gradient) => {
        let value = 0;
        for (const [i, scale] of scales.entries()) {
          const from = x[i]! - (i + 1);
          gradient[i] = scale * from;
          value += (scale * from * from) / 2;
        }
        return value;
      },
      new Float64Array(3),
      {tolerance: 1e-9},
    );
    for (const [i, value] of [1, 2, 3].entries()) expect(Math.abs(x[i]! - value)).toBeLessThan(1e-4);
  });

  it('stays where the gradient is zero', () => {
    const start = Float64Array.of(3, 4);
    const x = minimise((_, gradient) => {
      gradient.fill(0);
      return 7;
    }, start);
    expect([...x]).toEqual([3, 4]);
  });
});

/** Numbers of a normal distribution by sums of uniform ones, the same each time. */
function draws(seed: number): () => number {
  const random = xoroshiro128plus(seed);
  const uniform = () => (random.next() >>> 0) / 2 ** 32;
  return () => Array.from({length: 12}, uniform).reduce((sum, value) => sum + value, -6);
}

/** The mean binary cross-entropy of a key's zero attention with the targets, in nats. */
function keyLoss(data: KeyTargets, scale: number, key: Float64Array): number {
  const losses = zeroAttention(data, scale, key).map((z, token) => {
    const y = data.targets[token]!;
    return -(y * Math.log(z) + (1 - y) * Math.log1p(-z));
  });
  return losses.reduce((sum, loss) => sum + loss, 0) / losses.length;
}

describe('fitKey', () => {
  const [N, d, scale] = [4000, 8, 1 / Math.sqrt(8)];
  const normal = draws(3);
  const truth = Float64Array.from({length: d}, () => 2 * normal());
  const queries = Float32Array.from({length: N * d}, () => normal());
  const others = Float32Array.from({length: N}, () => 1 + 0.3 * normal());
  const chance = (key: Float64Array, token: number) => {
    const product = key.reduce((sum, value, i) => sum + value * queries[token * d + i]!, 0);
    return 1 / (1 + Math.exp(others[token]! - scale * product));
  };
  const weights = new Float32Array(N).fill(1);

  it('finds the key that made the targets', () => {
    const targets = Float32Array.from({length: N}, (_, token) => chance(truth, token));
    const key = fitKey({queries, others, targets, weights}, {scale, ridge: 0}, new Float64Array(d));
    for (let i = 0; i < d; i++) expect(Math.abs(key[i]! - truth[i]!)).toBeLessThan(1e-2);
  });

  it('gives the mean zero attention that is asked for, where the queries have a constant part', () => {
    const withConstant = queries.map((value, i) => (i % d === 0 ? 3 : value));
    const data: KeyTargets = {
      queries: withConstant,
      others,
      targets: new Float32Array(N).fill(0.05),
      weights,
    };
    const key = fitKey(data, {scale, ridge: 0}, new Float64Array(d));
    let sum = 0;
    for (let token = 0; token < N; token++) {
      const product = key.reduce((sum, value, i) => sum + value * withConstant[token * d + i]!, 0);
      sum += 1 / (1 + Math.exp(others[token]! - scale * product));
    }
    expect(Math.abs(sum / N - 0.05)).toBeLessThan(1e-3);
  });

  it('follows the weights: a token that counts nothing changes nothing', () => {
    const targets = Float32Array.from({length: N}, (_, token) => (chance(truth, token) > 0.5 ? 1 : 0));
    const half = weights.map((_, token) => token % 2);
    const odd = (values: Float32Array, size: number) =>
      values.filter((_, i) => Math.floor(i / size) % 2 === 1);
    const options = {scale, ridge: 0.01};
    const all = fitKey({queries, others, targets, weights: half}, options, new Float64Array(d));
    const some = fitKey(
      {
        queries: odd(queries, d),
        others: odd(others, 1),
        targets: odd(targets, 1),
        weights: new Float32Array(N / 2).fill(1),
      },
      options,
      new Float64Array(d),
    );
    for (let i = 0; i < d; i++) expect(Math.abs(all[i]! - some[i]!)).toBeLessThan(1e-6);
    // The fit is better than the start, and than a key of the wrong sign.
    const data = {queries, others, targets, weights};
    expect(keyLoss(data, scale, all)).toBeLessThan(0.6 * keyLoss(data, scale, new Float64Array(d)));
    expect(keyLoss(data, scale, all)).toBeLessThan(
      keyLoss(
        data,
        scale,
        all.map((value) => -value),
      ),
    );
  });

  it('draws the key to nothing as the ridge grows', () => {
    const targets = Float32Array.from({length: N}, (_, token) => chance(truth, token));
    const length = (ridge: number) =>
      Math.hypot(...fitKey({queries, others, targets, weights}, {scale, ridge}, new Float64Array(d)));
    expect(length(1)).toBeLessThan(0.5 * length(0.01));
    expect(length(1000)).toBeLessThan(1e-2);
  });
});
