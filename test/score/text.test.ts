import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {exitRule, type Model} from '../../src/model/index.js';
import {
  afterHalf,
  batchTokensOf,
  natsOf,
  outcomeAt,
  scoreText,
  scoreTextAtExits,
  summariseText,
  textOutcome,
} from '../../src/score/index.js';
import {loadZtt} from '../eval/fixtures.js';
import {expectClose} from '../helpers/close.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
let model: Model;
beforeAll(async () => {
  ({model} = await loadZtt(temp.path('ztt')));
});
afterAll(() => {
  model.dispose();
});

/** Sequences of unlike length, of tokens that are somewhat likely after each other. */
const sequences = [24, 17, 24, 9].map((length, row) =>
  Array.from({length}, (_, i) => (row * 97 + i * i * 31) % 4096),
);
const lossMask = sequences.map((ids, row) => ids.map((_, i) => (i * 7 + row) % 3 !== 0));

describe('sequences of text', () => {
  it('are scored after the first half of their tokens, which decides their exit', () => {
    const rows = afterHalf({ids: sequences});
    expect(rows.map(({from, contextLength}) => [from, contextLength])).toEqual([
      [12, 12],
      [8, 8],
      [12, 12],
      [4, 4],
    ]);
    expect(rows.every(({counts}) => counts === undefined)).toBe(true);
    expect(batchTokensOf(rows, 3)).toBe(69);
  });

  it('give the tokens that count, and cost what all of them cost', async () => {
    const whole = await scoreText(model, afterHalf({ids: sequences}), {threshold: 1});
    const counted = await scoreText(model, afterHalf({ids: sequences, lossMask}), {threshold: 1});
    for (const [row, {logProbabilities, cost}] of counted.outcomes.entries()) {
      const {from} = afterHalf({ids: sequences})[row]!;
      const expected = [...whole.outcomes[row]!.logProbabilities].filter((_, i) => lossMask[row]![from + i]);
      expect([...logProbabilities]).toEqual(expected);
      expect(expected.length).toBeLessThan(whole.outcomes[row]!.logProbabilities.length);
      expect(cost).toEqual(whole.outcomes[row]!.cost);
    }
  });

  it('give at every exit what a rule that takes it gives', async () => {
    const rows = afterHalf({ids: sequences, lossMask});
    const exits = await scoreTextAtExits(model, rows, {}, {batchTokens: 48});
    const scores = exits.flatMap((each) => each.scores);
    expect(Math.max(...scores) - Math.min(...scores)).toBeGreaterThan(1e-3);
    const middle = [...scores].sort((a, b) => a - b)[Math.floor(scores.length / 2)]!;
    for (const threshold of [1e-6, middle, 1]) {
      const rule = exitRule(model.config, {threshold});
      const apart = await scoreText(model, rows, {threshold});
      const chosen = exits.map((each) => outcomeAt(each, rule));
      const slots = chosen.map(({cost}) => cost.slots);
      expect(slots).toEqual(apart.scores.map((score) => score.slots));
      if (threshold === middle) expect(new Set(slots).size).toBeGreaterThan(1);
      const {loss, ...cost} = summariseText(chosen);
      const {loss: expected, ...expectedCost} = summariseText(apart.outcomes);
      expectClose([loss], [expected], 1e-5);
      expect(cost).toEqual(expectedCost);
    }
  });

  it('are summed over tokens, not over sequences', () => {
    const cost = {
      rows: 1,
      tokens: 4,
      scored: 4,
      slots: 6,
      exitsBySlot: new Map([[6, 4]]),
      flops: 40,
      sourceFlops: 20,
    };
    const outcomes = [
      {logProbabilities: Float32Array.of(-1, -2, -3), hits: 2, cost},
      {logProbabilities: Float32Array.of(-6), hits: 0, cost: {...cost, slots: 4, flops: 20}},
      {logProbabilities: new Float32Array(0), hits: 0, cost},
    ];
    expect(natsOf(outcomes)).toEqual({nats: 12, tokens: 4});
    expect(summariseText(outcomes)).toMatchObject({
      loss: 3,
      accuracy: 0.5,
      scored_tokens: 4,
      rows: 3,
      mean_slots: 16 / 3,
      flops_per_token: 100 / 12,
      flops_ratio_to_source: 100 / 60,
    });
    expect(summariseText([outcomes[2]!])).toMatchObject({loss: 0, accuracy: 0, scored_tokens: 0});
  });

  it('give hits of the tokens that count', async () => {
    const [row] = afterHalf({ids: [sequences[0]!], lossMask: [lossMask[0]!]});
    const {scores} = await scoreText(model, [row!], {threshold: 1});
    const greedy = scores[0]!.greedy.map((_, i) => i % 2 === 0);
    const expected = greedy.filter((hit, i) => hit && lossMask[0]![row!.from + i]).length;
    expect(expected).toBeGreaterThan(0);
    expect(textOutcome(row!, {...scores[0]!, greedy}, model.config.arch).hits).toBe(expected);
  });
});
