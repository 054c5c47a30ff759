import {describe, expect, it} from 'vitest';
import {shareThresholds} from '../../src/compare/share-thresholds.js';
import {expectClose} from '../helpers/close.js';

const sequences = (...scores: number[][]) => scores.map((each) => ({scores: each}));
const exiting = (of: {scores: number[]}[], threshold: number) =>
  of.filter(({scores}) => Math.max(...scores) > threshold).length;

describe('thresholds by share', () => {
  it('lie at the midpoints, so that the share exits', () => {
    const rising = sequences(...Array.from({length: 10}, (_, i) => [0.01, (i + 1) / 20, 0.02]));
    const thresholds = shareThresholds([...rising].reverse(), [0, 0.25, 0.5, 0.75, 1]);
    expect(thresholds.map((threshold) => exiting(rising, threshold))).toEqual([0, 3, 5, 8, 10]);
    expectClose(thresholds, [0.75, 0.375, 0.275, 0.125, 0.025], 1e-12);
  });

  it('take the nearest share that ties allow', () => {
    const tied = sequences([0.5], [0.5], [0.5], [0.1]);
    const thresholds = shareThresholds(tied, [0.25, 0.5, 0.75]);
    expect(thresholds.map((threshold) => exiting(tied, threshold))).toEqual([0, 3, 3]);
    const neighbours = sequences([0.5], [0.5 + Number.EPSILON / 2]);
    expect(exiting(neighbours, shareThresholds(neighbours, [0.5])[0]!)).toBe(1);
  });
});
