import {readFileSync} from 'node:fs';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {shareThresholds} from '../../src/compare/share-thresholds.js';
import {UsageError} from '../../src/errors.js';
import {load, type Model} from '../../src/model/index.js';
import {evaluateHeldOut, heldOutWindows, scoreGroups} from '../../src/score/index.js';
import type {Tokenizer} from '../../src/tokenizer/index.js';
import {loadZtt, MODEL, TASKS} from '../eval/fixtures.js';
import {expectClose} from '../helpers/close.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
let model: Model;
let source: Model;
let tokenizer: Tokenizer;
beforeAll(async () => {
  ({model, tokenizer} = await loadZtt(temp.path('ztt')));
  source = await load(MODEL, {engine: 'auto'});
});
afterAll(() => {
  model.dispose();
  source.dispose();
});

/** Text that the model has not seen. */
const heldOut = () => {
  const lines = readFileSync(TASKS.pages, 'utf8').split('\n');
  return tokenizer.encode((JSON.parse(lines[1]!) as {page: string}).page).slice(0, 400);
};

describe('held-out text', () => {
  it('is cut so that every token after the first context is scored once', () => {
    const tokens = Array.from({length: 23}, (_, i) => i);
    const rows = heldOutWindows(tokens, {window: 10, context: 4}, 9);
    expect(rows.flatMap(({ids, from}) => ids.slice(from))).toEqual(tokens.slice(4));
    expect(rows.map(({ids}) => ids.length)).toEqual([10, 10, 10, 5]);
    expect(new Set(rows.map(({contextLength}) => contextLength))).toEqual(new Set([4]));
    expect(heldOutWindows(tokens.slice(0, 22), {window: 10, context: 4}, 9)).toHaveLength(3);
    expect(heldOutWindows(tokens, {window: 10, context: 4, limit: 2}, 9)).toHaveLength(2);
  });

  it('refuses windows that cannot be', () => {
    const cut =
      (window: number, context: number, tokens = 20) =>
      () =>
        heldOutWindows(new Array<number>(tokens).fill(1), {window, context}, 16);
    for (const wrong of [cut(18, 4), cut(1, 1), cut(8, 0), cut(8, 8), cut(8, 4, 4)]) {
      expect(wrong).toThrow(UsageError);
    }
    expect(cut(17, 16)).not.toThrow();
  });

  it('one window of a context of one token has the perplexity of the loss', async () => {
    const tokens = heldOut().slice(0, 64);
    const {perplexity, scored_tokens: scored} = await evaluateHeldOut(source, tokens, {
      window: 64,
      context: 1,
    });
    expect(scored).toBe(63);
    expectClose([Math.log(perplexity)], [await source.loss([tokens])], 1e-5);
  });

  it('measures perplexity, accuracy and cost, and never looks ahead', async () => {
    const tokens = heldOut();
    const windows = {window: 128, context: 64, limit: 3};
    const full = await evaluateHeldOut(model, tokens, {...windows, threshold: 1, exitScores: true});
    expect(full).toMatchObject({rows: 3, scored_tokens: 192, tokens: 3 * 127});
    expect(full.accuracy).toBeGreaterThan(0);
    expect(full.perplexity).toBeGreaterThan(1);
    const [threshold] = shareThresholds(
      full.exit_scores.map((scores) => ({scores})),
      [1 / 3],
    );
    const early = await evaluateHeldOut(model, tokens, {...windows, threshold});
    expect(Object.values(early.exits_by_slot)).toEqual([127, 254]);
    expect(early.flops_per_token).toBeLessThan(full.flops_per_token);
    // A token that is scored changes what comes after it, not what was before, and not the depth.
    const [row] = heldOutWindows(tokens, windows, 256);
    const changed = {...row!, ids: row!.ids.map((id, i) => (i === 100 ? id + 1 : id))};
    const {results} = await scoreGroups(model, [[row!], [changed]], {threshold, batchTokens: 1});
    const scores = results.flat();
    const [a, b] = scores.map(({logProbabilities}) => logProbabilities);
    const at = 100 - windows.context;
    expectClose(b!.subarray(0, at), a!.subarray(0, at), 1e-5);
    for (const later of [at, at + 1]) expect(Math.abs(b![later]! - a![later]!)).toBeGreaterThan(1e-3);
    expect(scores[1]!.slots).toBe(scores[0]!.slots);
  });
});
