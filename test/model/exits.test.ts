import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  rowFlops,
  UsageError,
  type ForwardOptions,
  type Model,
  type RowScore,
  type ScoreRow,
} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {Expected} from '../helpers/oracle.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const ROWS: ScoreRow[] = [
  {ids: [5, 9, 3, 77, 21, 40, 8], from: 4, contextLength: 4},
  {ids: [60, 2], from: 1, contextLength: 1},
  {ids: [13, 13, 70, 4, 99, 18, 33, 6, 51, 27, 44], from: 1, contextLength: 7},
  {ids: [7, 8, 9], from: 1, contextLength: 1},
];
/** A question: four choices after one context, one of a single token, one that goes on like the first. */
const CONTEXT = [31, 7, 90, 4, 12, 66];
const CHOICES = [[1, 2, 3], [4], [1, 2, 99, 5], [70, 71]];
const APART = CHOICES.map((choice): ScoreRow => ({ids: [...CONTEXT, ...choice], from: 6, contextLength: 6}));
const TOGETHER = APART.map((row, i) => ({...row, shared: [0, 6, 8, 6][i]!}));

const THRESHOLDS = [1, 0.55, 0.5, 0.45, 0.4, 0.38, 0.3];
const OPTIONS: ForwardOptions[] = THRESHOLDS.flatMap((threshold) => [
  {threshold},
  {threshold, exitFromCycle: 1, exitScore: 'length-normalised'},
  {threshold, exitFromCycle: 1, exitGranularity: 'token'},
]);

describe.each([
  {engine: 'native', bound: 0},
  {engine: 'wasm', bound: 1e-5},
])('exits on $engine', ({engine, bound}) => {
  let model: Model;
  beforeAll(async () => {
    const expected = await Expected.open('opt');
    model = await loadVariant('opt', 'ztt3-head2', expected, {engine});
    await expected.close();
  });
  afterAll(() => model.dispose());

  const expectSame = (actual: RowScore, expected: RowScore) => {
    expectClose(actual.logProbabilities, expected.logProbabilities, bound, 'log-probability');
    expect(actual.greedy).toEqual(expected.greedy);
    expect(actual.slots).toBe(expected.slots);
    expect(actual.slotsPerToken).toEqual(expected.slotsPerToken);
    expect(actual.exited).toBe(expected.exited);
  };

  it('are the same alone, in any company and in any order, at every threshold', async () => {
    const all = [...ROWS, ...TOGETHER];
    const order = [4, 5, 6, 7, 3, 0, 2, 1];
    const depths = new Set<number>();
    for (const options of OPTIONS) {
      const together = await model.score(all, options);
      const turned = await model.score(
        order.map((i) => all[i]!),
        options,
      );
      for (const [i, row] of [...ROWS, ...APART].entries()) {
        const [alone] = await model.score([row], options);
        expectSame(together[i]!, alone!);
        expectSame(turned[order.indexOf(i)]!, alone!);
        depths.add(alone!.slots);
      }
    }
    expect(depths.size).toBeGreaterThan(3);
  });

  it('compute what is shared once', async () => {
    const {arch, arrangement} = model.config;
    const scores = await model.score(TOGETHER, {threshold: 1});
    const cost = (tokens: number, before: number, scored: number) =>
      rowFlops(arch, arrangement, {tokens, before, slots: scores[0]!.slots, exited: false, scored});
    expect(scores.map(({flops}) => flops)).toEqual([
      cost(8, 0, 3),
      // Its one token is predicted by the context's last state, which was scored already.
      cost(0, 6, 0),
      cost(1, 8, 1),
      cost(1, 6, 1),
    ]);
  });

  it('at every place in one pass', async () => {
    const options = {exitFromCycle: 1} as const;
    const rows = [...ROWS, ...TOGETHER];
    const exits = await model.scoreExits(rows, options);
    const full = exits.at(-1)!;
    expect(full.slot).toBeNull();
    expect(full.scores[0]!.exitScores).toHaveLength(exits.length - 1);
    for (const threshold of THRESHOLDS) {
      const scores = await model.score(rows, {...options, threshold});
      for (const [i, score] of scores.entries()) {
        const at = full.scores[i]!.exitScores.findIndex((value) => value > threshold);
        const found = exits.at(at)!.scores[i]!;
        expectSame(found, score);
        expect(found.flops).toBe(score.flops);
      }
    }
  });

  it('stop at a number of cycles, whatever the layout', async () => {
    const ids = [ROWS[2]!.ids];
    const two = await model.logits(ids, {maxCycles: 2});
    const {head, tail} = model.config.arrangement;
    const middle = model.config.arrangement.middleSources.length;
    const [tailStart] = [head + 3 * middle];
    expect(two.slots).toEqual([
      ...Array.from({length: head + 2 * middle}, (_, i) => i),
      ...Array.from({length: tail}, (_, i) => tailStart + i),
    ]);
    // As an exit of every row before the third cycle.
    const thresholds = Array.from({length: tailStart + tail}, (_, slot) =>
      slot < head + 2 * middle ? 1 : 1e-9,
    );
    const exited = await model.logits(ids, {threshold: thresholds});
    expectClose(two.logits, exited.logits, bound, 'logit');
    expect(exited.slots).toEqual(two.slots);
    expect((await model.logits(ids, {maxCycles: 3})).slots).toHaveLength(tailStart + tail);
  });

  it('score higher against the mean of the keys than against their sum', async () => {
    const flat = await model.score([{ids: [...ROWS[2]!.ids], from: 10, contextLength: 10}], {
      exitScores: true,
      exitScore: 'length-normalised',
      exitFromCycle: 1,
    });
    const plain = await model.score([{ids: [...ROWS[2]!.ids], from: 10, contextLength: 10}], {
      exitScores: true,
      exitFromCycle: 1,
    });
    for (const [i, score] of flat[0]!.exitScores.entries()) {
      expect(score).toBeGreaterThan(plain[0]!.exitScores[i]!);
      expect(score).toBeLessThan(1);
    }
  });

  it.each([
    [{threshold: [0.5]}, /there are 1 thresholds for \d+ slots/],
    [{threshold: 0}, /threshold is 0/],
    [{exitFromCycle: 0}, /exit-from-cycle is 0/],
    [{maxCycles: 0}, /max-cycles is 0/],
    [{slotThresholds: {8: 0}}, /threshold is 0/],
    [
      {slotThresholds: {0: 0.5}},
      /slot threshold 0=0.5 cannot be: exits are checked before slots \d+ to \d+,/,
    ],
    [{slotThresholds: {99: 0.5}}, /slot threshold 99=0.5 cannot be/],
    [{slotThresholds: {8: 0.5}, exitFromCycle: 9}, /exits are checked before no slot of this model/],
  ] as const)('refuse %o', async (options, message) => {
    await expect(model.score(ROWS, options)).rejects.toThrow(UsageError);
    await expect(model.score(ROWS, options)).rejects.toThrow(message);
  });

  it.each([
    [[{...APART[1]!, shared: 6}], /row 0: it cannot share 6 tokens/],
    [
      [APART[0]!, {...APART[1]!, shared: 7}],
      /row 1: it cannot share 7 tokens with a row before it; at most 6/,
    ],
    [[APART[0]!, {...APART[3]!, shared: 7}], /row 1: token 6 is not that of row 0/],
    [
      [APART[0]!, {...APART[3]!, shared: 5}],
      /row 1: contextLength is 6; it must be that of row 0, 6, and at most the 5/,
    ],
    [[APART[0]!, {...APART[3]!, shared: 6, contextLength: 2}], /row 1: contextLength is 2/],
  ])('refuse rows that cannot share: %#', async (rows, message) => {
    await expect(model.score(rows)).rejects.toThrow(message);
  });
});
