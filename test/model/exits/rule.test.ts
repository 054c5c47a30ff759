import {describe, expect, it} from 'vitest';
import {ExitRule} from '../../../src/model/exits/rule.js';

/** Six slots, with exits before slots 2, 3 and 4, of which the second is not checked; slot 5 does not run. */
const rule = new ExitRule({
  granularity: 'sequence',
  score: 'zero-attention',
  runs: [true, true, true, true, true, false],
  eligible: [false, false, true, true, true, false],
  thresholds: [1, 1, 0.5, 1, 0.25, 1],
});

describe('an exit rule', () => {
  it('lets what exceeds a threshold leave, and nothing that equals it', () => {
    expect([0.5, 0.50001].map((score) => rule.leaves(2, score))).toEqual([false, true]);
    expect(rule.leaves(2, NaN)).toBe(false);
  });

  it('lets nothing leave where the threshold is 1, whatever the score', () => {
    expect([1, 1.0000001, Infinity].map((score) => rule.leaves(3, score))).toEqual([false, false, false]);
    expect([2, 3, 4].map((slot) => rule.checks(slot))).toEqual([true, false, true]);
  });

  it('tells the first exit that the scores of a finished pass take', () => {
    expect(rule.exits).toEqual([2, 3, 4]);
    expect(rule.firstExit([0.6, 0, 0.9])).toBe(0);
    expect(rule.firstExit([0.4, 1, 0.3])).toBe(2);
    expect(rule.firstExit([0.5, 1, 0.25])).toBeNull();
    expect(rule.firstExit([])).toBeNull();
  });

  it('counts the slots of a token that never exits', () => {
    expect(rule.depth).toBe(5);
    expect(rule.checksAny).toBe(true);
  });
});
