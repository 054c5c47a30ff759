import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {heldOutAt, type BlockExits} from '../../src/compare/block-exits.js';
import {learnThresholds} from '../../src/compare/learn-thresholds.js';
import {ExitRule} from '../../src/model/index.js';

/** Sequences whose scores tell, but for noise, what an exit costs them. Exits take 1, 2, … of the source's compute. */
function sequences(count: number, exits: number, noise: number): BlockExits[] {
  const random = xoroshiro128plus(9);
  const uniform = () => uniformFloat64(random);
  return Array.from({length: count}, () => {
    const worth = Array.from({length: exits}, () => 0.4 * uniform());
    const scores = worth.map((cost) =>
      Math.min(0.99, Math.max(0.01, 0.9 - 2 * cost + noise * (uniform() - 0.5))),
    );
    const outcomes = Array.from({length: exits + 1}, (_, exit) => {
      const loss = 3 + worth.slice(exit).reduce((sum, cost) => sum + cost, 0);
      const tokens = 10;
      const flops = (exit + 1) * 100;
      const cost = {
        rows: 1,
        tokens,
        scored: tokens,
        slots: exit + 1,
        exitsBySlot: new Map(),
        flops,
        sourceFlops: 100,
      };
      return {item: {value: loss * tokens, weight: tokens}, cost};
    });
    return {scores, outcomes};
  });
}

/** A rule of one slot for each exit, with a threshold for each. */
function ruleOf(thresholds: readonly number[]): ExitRule {
  const every = thresholds.map(() => true);
  return new ExitRule({
    granularity: 'sequence',
    score: 'zero-attention',
    runs: every,
    eligible: every,
    thresholds,
  });
}

/** What a decision costs: loss, and the penalty for compute. */
function costAt(blocks: readonly BlockExits[], thresholds: readonly number[], penalty: number): number {
  const {items, flops_ratio_to_source: flops} = heldOutAt(blocks, ruleOf(thresholds))!;
  const nats =
    items.reduce((sum, {value}) => sum + value, 0) / items.reduce((sum, {weight}) => sum + weight, 0);
  return nats + penalty * flops;
}

const grid = Array.from({length: 100}, (_, i) => (i + 0.5) / 100);

describe('thresholds that are learned', () => {
  it.each([0.02, 0.1, 0.2, 0.35])(
    'are as good as the best of a grid, for one exit and penalty %f',
    (penalty) => {
      const blocks = sequences(300, 1, 0.1);
      const best = Math.min(...grid.map((threshold) => costAt(blocks, [threshold], penalty)));
      const [learned] = learnThresholds(blocks, penalty);
      expect(costAt(blocks, [learned!], penalty)).toBeLessThan(best + 0.002);
    },
  );

  it('are better than any one threshold where exits differ', () => {
    const blocks = sequences(300, 2, 0.1).map(({scores, outcomes}): BlockExits => {
      return {scores: [scores[0]! / 2, scores[1]!], outcomes};
    });
    const best = Math.min(...grid.map((threshold) => costAt(blocks, [threshold, threshold], 0.15)));
    expect(costAt(blocks, learnThresholds(blocks, 0.15), 0.15)).toBeLessThan(best - 0.005);
  });

  it('exit all where compute is dear, and nothing where it is cheap', () => {
    const blocks = sequences(100, 1, 0);
    expect(heldOutAt(blocks, ruleOf(learnThresholds(blocks, 5)))!.mean_slots).toBe(1);
    expect(heldOutAt(blocks, ruleOf(learnThresholds(blocks, 1e-6)))!.mean_slots).toBe(2);
  });

  it('leave out sequences of which nothing counts', () => {
    const blocks = sequences(100, 1, 0.1);
    const silent = blocks.map(({scores, outcomes}): BlockExits => {
      return {
        scores: [1 - scores[0]!],
        outcomes: outcomes.map(({cost}) => ({cost, item: {value: 0, weight: 0}})),
      };
    });
    expect(learnThresholds([...blocks, ...silent], 0.2)).toEqual(learnThresholds(blocks, 0.2));
    expect(heldOutAt(silent, ruleOf([0.5]))).toBeNull();
  });
});
