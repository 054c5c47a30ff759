import {describe, expect, it} from 'vitest';
import {rowExits} from '../../../src/finetune/step/row-exits.js';

describe('rowExits', () => {
  const rows = Array.from({length: 4000}, (_, row) =>
    rowExits({seed: 5, mixedDepths: 0.5}, {step: 1 + (row % 40), row: Math.floor(row / 40), tokens: 7}),
  );
  const mixed = rows.filter((row) => row !== null);

  it('mixes the share of the rows that it is told', () => {
    expect(Math.abs(mixed.length / rows.length - 0.5)).toBeLessThan(0.03);
    const none = rowExits({seed: 5, mixedDepths: 0}, {step: 1, row: 0, tokens: 7});
    expect(none).toBeNull();
    expect(rowExits({seed: 5, mixedDepths: 1}, {step: 1, row: 0, tokens: 7})).not.toBeNull();
  });

  it('draws shares evenly from 0 to 1, for half of them tokens at random', () => {
    const shares = mixed.map(({share}) => share).sort((a, b) => a - b);
    for (const quantile of [0.1, 0.5, 0.9]) {
      expect(Math.abs(shares[Math.floor(quantile * shares.length)]! - quantile)).toBeLessThan(0.04);
    }
    const numbers = mixed.flatMap(({by}) => (by === 'zero-attention' ? [] : [by]));
    expect(Math.abs(numbers.length / mixed.length - 0.5)).toBeLessThan(0.04);
    expect(numbers.every((each) => each.length === 7)).toBe(true);
    const mean = numbers.flat().reduce((sum, n) => sum + n, 0) / numbers.flat().length;
    expect(Math.abs(mean - 0.5)).toBeLessThan(0.02);
  });

  it('depends on the seed, the step and the row alone', () => {
    const at = (seed: number, step: number, row: number) =>
      rowExits({seed, mixedDepths: 1}, {step, row, tokens: 3})!.share;
    expect(at(1, 2, 3)).toBe(at(1, 2, 3));
    expect(new Set([at(1, 2, 3), at(2, 2, 3), at(1, 3, 3), at(1, 2, 4)]).size).toBe(4);
  });
});
