import {readFileSync} from 'node:fs';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {Model} from '../../src/model/index.js';
import {measureTextExits, scoreText, summariseText} from '../../src/score/index.js';
import {loadZtt, TASKS} from '../eval/fixtures.js';
import {expectClose} from '../helpers/close.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
let model: Model;
let texts: number[][];
beforeAll(async () => {
  const loaded = await loadZtt(temp.path('ztt'));
  model = loaded.model;
  const [, line] = readFileSync(TASKS.pages, 'utf8').split('\n');
  const tokens = loaded.tokenizer.encode((JSON.parse(line!) as {page: string}).page);
  texts = Array.from({length: 9}, (_, i) => tokens.slice(i * 24, (i + 1) * 24));
});
afterAll(() => {
  model.dispose();
});

describe('exits measured on texts', () => {
  it('cost what the second half loses where all exit there', async () => {
    const exits = await measureTextExits(model, texts, {}, {batchTokens: 92});
    expect(exits.map(({slots}) => slots)).toEqual([8, 9, 10, 11, 12, 13]);
    const rows = texts.map((ids) => ({ids, from: 12, contextLength: 12}));
    const lossAt = async (threshold: number) =>
      summariseText((await scoreText(model, rows, {threshold})).outcomes).loss;
    // Any zero attention exceeds so small a threshold, so that all leave at the first exit.
    const cost = (await lossAt(1e-30)) - (await lossAt(1));
    expect(Math.abs(cost)).toBeGreaterThan(0.01);
    expectClose([exits[0]!.cost], [cost], 1e-4);
    for (const {texts: count, full_slots: full, reliability, signal} of exits) {
      expect([count, full]).toEqual([9, 14]);
      expect(reliability >= 0 && reliability <= 1).toBe(true);
      expect(Math.abs(signal.correlation!.value)).toBeLessThanOrEqual(1);
    }
  });

  it('are none for too few texts that are long enough', async () => {
    const short = texts.map((ids, i) => (i < 7 ? ids : ids.slice(0, 16)));
    expect(await measureTextExits(model, short, {}, {})).toEqual([]);
  });
});
