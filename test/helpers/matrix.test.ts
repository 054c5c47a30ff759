import {describe, expect, it} from 'vitest';
import {cover} from './matrix.js';

const many = (letter: string, count: number) => Array.from({length: count}, (_, i) => `${letter}${i}`);
const pairs = (cases: string[], variants: string[], shift: number) =>
  cover(cases, variants, {shift, full: false}).flatMap((cell) =>
    cell.variants.map((variant) => `${cell.case} ${variant}`),
  );

describe.each([
  [12, 6],
  [36, 6],
  [5, 6],
  [2, 6],
  [1, 6],
  [7, 1],
])('a cover of %d cases and %d variants', (count, kinds) => {
  const [cases, variants] = [many('c', count), many('v', kinds)];

  it('has every case, every variant twice, and no pair twice', () => {
    for (const shift of [0, 1, 2, 3, 4, 5]) {
      const chosen = pairs(cases, variants, shift);
      expect(new Set(chosen).size).toBe(chosen.length);
      for (const name of cases) expect(chosen.some((pair) => pair.startsWith(`${name} `))).toBe(true);
      for (const variant of variants) {
        const uses = chosen.filter((pair) => pair.endsWith(` ${variant}`)).length;
        expect(uses).toBeGreaterThanOrEqual(Math.min(2, count));
      }
      expect(chosen.length).toBeLessThanOrEqual(Math.max(count, 2 * kinds));
      expect(pairs(cases, variants, shift)).toEqual(chosen);
    }
  });

  it('is, for as many engines as there are variants, all there is', () => {
    const all = variants.flatMap((_, shift) => pairs(cases, variants, shift));
    expect(new Set(all).size).toBe(count * kinds);
  });

  it('is all there is where the full matrix is asked for', () => {
    const all = cover(cases, variants, {full: true}).flatMap((cell) => cell.variants);
    expect(all).toHaveLength(count * kinds);
  });
});
