import {describe, expect, it} from 'vitest';
import {sampler} from '../../src/index.js';
import {probabilities} from '../../src/model/inference/sampling.js';

const LOGITS = Float32Array.of(1, 3, -2, 0.5, 3, 2);

const shares = (weights: Float64Array) => {
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return [...weights].map((weight) => weight / sum);
};

describe('sampling', () => {
  it('weighs tokens by their logits over the temperature', () => {
    for (const temperature of [0.5, 1, 3]) {
      const sum = LOGITS.reduce((total, logit) => total + Math.exp(logit / temperature), 0);
      const found = shares(probabilities(LOGITS, temperature, Infinity, 1));
      found.forEach((share, id) => expect(share).toBeCloseTo(Math.exp(LOGITS[id]! / temperature) / sum, 12));
    }
  });

  it.each([
    // Two are the likeliest: of equals, all are kept.
    [1, 1, [1, 4]],
    [3, 1, [1, 4, 5]],
    [99, 1, [0, 1, 2, 3, 4, 5]],
    // The two make up 0.77, with the third 0.91.
    [Infinity, 0.7, [1, 4]],
    [Infinity, 0.8, [1, 4, 5]],
    [Infinity, 1e-9, [1, 4]],
    // Of the three that are left, the two have 0.84.
    [3, 0.8, [1, 4]],
  ])('keeps the likeliest with top-k %d and top-p %d', (topK, topP, kept) => {
    const weights = probabilities(LOGITS, 1, topK, topP);
    expect([...weights.keys()].filter((id) => weights[id]! > 0)).toEqual(kept);
  });

  it('draws each token as often as its probability says', () => {
    const {next} = sampler({temperature: 1, seed: 5});
    const draws = 20_000;
    const counts = new Array<number>(LOGITS.length).fill(0);
    for (let i = 0; i < draws; i++) counts[next(LOGITS)]!++;
    const wanted = shares(probabilities(LOGITS, 1, Infinity, 1));
    // Chi-square of 5 degrees of freedom: below 20.5 with probability 0.999.
    const chi = counts.reduce(
      (sum, n, id) => sum + (n - draws * wanted[id]!) ** 2 / (draws * wanted[id]!),
      0,
    );
    expect(chi).toBeLessThan(20.5);
  });

  it('takes the likeliest, of equals the first, unless it is told to draw', () => {
    const greedy = sampler({});
    expect(greedy.next(LOGITS)).toBe(1);
    expect(greedy.seed).toBeNull();
    expect(sampler({topK: 2}).seed).not.toBeNull();
  });

  it('refuses logits that are no numbers', () => {
    expect(() => sampler({temperature: 1}).next(Float32Array.of(1, NaN, 2))).toThrow(/no numbers/);
  });
});
