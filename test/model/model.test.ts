import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {convert, load, rowFlops, UsageError, type Model} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {Expected, FIXTURES, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const temp = sharedTempFolder();

describe('loading', () => {
  it('reports its progress, and stops when it is told, leaving nothing on the engine', async () => {
    const path = join(ORACLE, 'gpt2');
    const reports: [number, number][] = [];
    const whole = await load(path, {engine: 'cpu', onProgress: (done, total) => reports.push([done, total])});
    whole.dispose();
    expect(reports.length).toBeGreaterThan(10);
    expect(reports.at(-1)![0]).toBe(reports.at(-1)![1]);
    const before = tf.memory().numTensors;
    const stop = new AbortController();
    const loading = load(path, {
      engine: 'cpu',
      onProgress: (done, total) => done > total / 2 && stop.abort(),
      signal: stop.signal,
    });
    await expect(loading).rejects.toThrow(/abort/);
    expect(tf.memory().numTensors).toBe(before);
  });
});

describe('a batch', () => {
  const rows = [[5, 9, 3, 77, 21, 40, 8], [60, 2], [13, 13, 70, 4, 99, 18, 33, 6, 51, 27, 44], [7]];
  const contexts = [3, 2, 11, 1];
  let model: Model;

  beforeAll(async () => {
    const expected = await Expected.open('opt');
    model = await loadVariant('opt', 'ztt2', expected, {engine: 'wasm'});
    await expected.close();
  });
  afterAll(() => model.dispose());

  it.each([1, 0.55, 0.45, 0.38])(
    'gives each row what it gets by itself, at threshold %d',
    async (threshold) => {
      const together = await model.logitsBatch(rows, {threshold, contextLength: contexts});
      for (const [row, ids] of rows.entries()) {
        const alone = await model.logits([ids], {threshold, contextLength: contexts[row]});
        expect(together[row]!.slots).toEqual(alone.slots);
        expect(together[row]!.shape).toEqual([1, ids.length, 101]);
        expectClose(together[row]!.logits, alone.logits, 1e-5, `row ${row} logit`);
        expectClose(together[row]!.zeroAttention!, alone.zeroAttention!, 1e-6, `row ${row} zero attention`);
      }
      const depths = new Set(together.map(({slots}) => slots.length));
      // The thresholds are chosen so that rows leave at different depths, and at 1 none does.
      expect(depths.size > 1).toBe(threshold < 1);
    },
  );

  it('checks exits from the cycle that is asked for', async () => {
    const early = await model.logits([rows[0]!], {threshold: 0.01, exitFromCycle: 1});
    expect(early.slots).toEqual([0, 7]);
    const late = await model.logits([rows[0]!], {threshold: 0.01, exitFromCycle: 3});
    expect(late.slots).toHaveLength(8);
  });

  it('scores the ends of rows as their logits do', async () => {
    const scored = rows
      .slice(0, 1)
      .concat([rows[2]!])
      .map((ids) => ({ids, from: 2, contextLength: 2}));
    const scores = await model.score(scored, {threshold: 1});
    for (const [i, {ids}] of scored.entries()) {
      const {logits} = await model.logits([ids]);
      const expected = ids
        .slice(2)
        .map((id, k) => logProbability(logits.subarray((k + 1) * 101, (k + 2) * 101), id));
      expectClose(scores[i]!.logProbabilities, expected, 1e-5, 'log-probability');
      expect(scores[i]!.greedy).toEqual(
        ids.slice(2).map((id, k) => argmax(logits.subarray((k + 1) * 101, (k + 2) * 101)) === id),
      );
      const {arch, arrangement} = model.config;
      const cost = {tokens: ids.length - 1, slots: 8, exited: false, scored: ids.length - 2};
      expect(scores[i]!.flops).toBe(rowFlops(arch, arrangement, cost));
    }
  });

  it('leaves no tensor behind, whether rows exit or not', async () => {
    for (const threshold of [1, 0.25]) {
      await model.logitsBatch(rows, {threshold});
      const before = tf.memory().numTensors;
      await model.logitsBatch(rows, {threshold});
      await model.score([{ids: rows[0]!, from: 3, contextLength: 2}], {threshold});
      await model.loss([rows[0]!]);
      await model.gradients([rows[0]!]);
      expect(tf.memory().numTensors).toBe(before);
    }
  });

  it.each([
    [[[101]], {}, /row 0, token 0: id 101 is not in the vocabulary of 101/],
    [[[-1]], {}, /id -1/],
    [[[1.5]], {}, /id 1.5/],
    [[[1, NaN]], {}, /token 1: id NaN/],
    [[[]], {}, /row 0 has 0 tokens; this model takes 1 to 40/],
    [[Array<number>(41).fill(3)], {}, /row 0 has 41 tokens/],
    [[], {}, /no rows/],
    [[[1, 2], [3]], {}, /row 1 has 1 tokens and row 0 has 2/],
    [[[1], [2]], {threshold: 0.5}, /takes one row, not 2; logitsBatch/],
    [[[1, 2]], {threshold: 0}, /threshold is 0/],
    [[[1, 2]], {threshold: NaN}, /threshold is NaN/],
    [[[1, 2]], {exitFromCycle: 0}, /exit-from-cycle is 0/],
    [[[1, 2]], {contextLength: 3}, /contextLength is 3; it must be from 1 to the row's 2/],
  ])('refuses rows %o with %o', async (wrong, options, message) => {
    await expect(model.logits(wrong, options)).rejects.toThrow(UsageError);
    await expect(model.logits(wrong, options)).rejects.toThrow(message);
  });

  it('refuses a loss over fewer than two tokens, and scores of nothing', async () => {
    await expect(model.loss([[4]])).rejects.toThrow(/takes 2 to 40/);
    await expect(model.score([{ids: [1, 2], from: 2, contextLength: 1}])).rejects.toThrow(/cannot be scored/);
  });
});

describe('early exit', () => {
  it('saves the time of the layers it skips', async () => {
    await convert({source: join(FIXTURES, 'gpt2-books'), output: temp.path('z'), layout: 'ztt', cycles: 4});
    const model = await load(temp.path('z'), {engine: 'wasm'});
    const rows = Array.from({length: 2}, (_, row) =>
      Array.from({length: 128}, (_, i) => (row * 131 + i * 17) % 4096),
    );
    const full = {threshold: 1, slots: 0, times: [] as number[]};
    const early = {threshold: 1e-6, slots: 0, times: [] as number[]};
    // By turns: what else the machine does slows both.
    for (let i = 0; i < 5; i++) {
      for (const each of [full, early]) {
        const begun = performance.now();
        const results = await model.logitsBatch(rows, {threshold: each.threshold});
        each.times.push(performance.now() - begun);
        each.slots = results[0]!.slots.length;
      }
    }
    model.dispose();
    expect(full.slots).toBe(26);
    expect(early.slots).toBe(8);
    // 18 of 26 slots are skipped; half the time leaves room for the LM head and a noisy machine.
    expect(Math.min(...early.times)).toBeLessThan(Math.min(...full.times) * 0.75);
  });
});

describe('loading', () => {
  it('reads a .safetensors file beside its config', async () => {
    const model = await load(join(ORACLE, 'gpt2', 'model.safetensors'), {engine: 'cpu'});
    expect(model.config.arrangement.layout).toBe('vanilla');
    model.dispose();
  });

  it('applies dropout only where a training hook does: the same loss twice', async () => {
    const model = await load(join(ORACLE, 'gpt2'), {engine: 'wasm'});
    const ids = [[1, 2, 3, 4]];
    expect(await model.loss(ids)).toBe(await model.loss(ids));
    model.dispose();
  });
});

function logProbability(logits: Float32Array, id: number): number {
  const max = Math.max(...logits);
  return logits[id]! - max - Math.log(logits.reduce((sum, value) => sum + Math.exp(value - max), 0));
}

function argmax(values: Float32Array): number {
  return values.indexOf(Math.max(...values));
}
