import {readdir, readFile, writeFile} from 'node:fs/promises';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  evaluate,
  openTask,
  prepareTask,
  readResults,
  sanitiseModelName,
  scoreTask,
  writeResults,
} from '../../src/eval/index.js';
import {addCosts, scoreGroups} from '../../src/score/index.js';
import {shareThresholds} from '../../src/compare/share-thresholds.js';
import {FileError, InterruptedError, UsageError} from '../../src/errors.js';
import {load, type Model} from '../../src/model/index.js';
import type {Tokenizer} from '../../src/tokenizer/index.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {loadZtt, MODEL, TASKS} from './fixtures.js';

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

const limit = 8;

describe('thresholds', () => {
  it('a small one costs fewer slots and FLOPs', async () => {
    const report = await evaluate(model, tokenizer, {
      tasks: [TASKS.choices, TASKS.last_words],
      thresholds: [0.001, 1],
      limit,
      timedQuestions: 0,
    });
    const [shallow, deep] = report.ztt.thresholds;
    expect([shallow!.threshold, deep!.threshold]).toEqual([0.001, 1]);
    const all = report.ztt.slots;
    expect(deep!.mean_slots).toBe(all);
    expect(deep!.exits_by_slot).toEqual({[all]: deep!.tokens});
    // Every row leaves before the second cycle.
    const least = report.ztt.head + report.ztt.middle + report.ztt.tail;
    expect(shallow!.exits_by_slot).toEqual({[least]: shallow!.tokens});
    expect(shallow!.mean_slots).toBe(least);
    expect(shallow!.flops_per_token).toBeLessThan(deep!.flops_per_token);
    expect(shallow!.flops_ratio_to_source).toBeLessThan(deep!.flops_ratio_to_source);
    expect(deep!.flops_ratio_to_source).toBeGreaterThan(1);
    expect(report.results).toEqual(deep!.results);
    expect(report.results).not.toEqual(shallow!.results);
    expect(report.ztt.results_threshold).toBe(1);
  });

  // The machine may be busy with something else just then.
  it('a small one takes less time', {retry: 3}, async () => {
    const options = {tasks: [TASKS.choices], thresholds: [0.001, 1], limit: 4};
    const [shallow, deep] = (await evaluate(model, tokenizer, options)).ztt.thresholds;
    expect(shallow!.timing!.batched_seconds).toBeLessThan(deep!.timing!.batched_seconds);
    expect(shallow!.timing!.single_seconds).toBeLessThan(deep!.timing!.single_seconds);
  });

  it('calibrated ones let their share of questions exit, and a question exits as a whole', async () => {
    const prepared = prepareTask(await openTask(TASKS.choices, {limit}), tokenizer, model);
    const first = prepared.requests.map(({rows}) => [rows[0]!]);
    const {results} = await scoreGroups(model, first, {threshold: 1, exitScores: true});
    const scores = results.flat();
    const shares = [0.25, 0.5, 0.75];
    const thresholds = shareThresholds(
      scores.map(({exitScores}) => ({scores: exitScores})),
      shares,
    );
    const full = Math.max(...scores.map(({slots}) => slots));
    for (const [i, threshold] of thresholds.entries()) {
      const {outcomes} = await scoreTask(model, prepared, {threshold});
      const depths = outcomes.map(({slots}) => new Set(slots));
      expect(depths.map((set) => set.size)).toEqual(depths.map(() => 1));
      const exited = outcomes.filter(({slots}) => slots[0]! < full).length;
      expect(exited).toBe(Math.round(shares[i]! * limit));
    }
  });

  it('of single slots stand in place of the others there, in one pass as one by one', async () => {
    const prepared = prepareTask(await openTask(TASKS.choices, {limit}), tokenizer, model);
    const first = prepared.requests.map(({rows}) => [rows[0]!]);
    const {results} = await scoreGroups(model, first, {threshold: 1, exitScores: true});
    // Slot 7, where exits are checked first, lets half of the questions go.
    const [own] = shareThresholds(
      results.flat().map(({exitScores}) => ({scores: exitScores.slice(0, 1)})),
      [0.5],
    );
    const options = {tasks: [TASKS.choices], limit, timedQuestions: 0, slotThresholds: {7: own!}};
    const together = await evaluate(model, tokenizer, {...options, thresholds: [1, 0.001]});
    const [alone, below] = together.ztt.thresholds;
    expect(together.ztt.slot_thresholds).toEqual({7: own});
    expect(Object.keys(alone!.exits_by_slot)).toEqual(['8', '14']);
    // What stays at slot 7 leaves at the next.
    expect(Object.keys(below!.exits_by_slot)).toEqual(['8', '9']);
    expect(below!.exits_by_slot['8']).toBe(alone!.exits_by_slot['8']);
    for (const [i, threshold] of [1, 0.001].entries()) {
      const single = await evaluate(model, tokenizer, {...options, thresholds: [threshold]});
      expect(single.ztt.thresholds[0]).toEqual(together.ztt.thresholds[i]);
      const perSlot = Array.from({length: 14}, (_, slot) => (slot === 7 ? own! : threshold));
      const {outcomes} = await scoreTask(model, prepared, {threshold: perSlot});
      expect(addCosts(outcomes.map(({cost}) => cost)).flops).toBe(
        single.ztt.thresholds[0]!.flops_per_token * single.ztt.thresholds[0]!.tokens,
      );
    }
    await expect(evaluate(model, tokenizer, {...options, budgets: ['1.3']})).rejects.toThrow(
      /slot-threshold and budget are both given/,
    );
    await expect(evaluate(source, tokenizer, options)).rejects.toThrow(
      /slot threshold 7=.* cannot be: layout vanilla has no zero tokens/,
    );
  });

  it('that could change nothing are refused', async () => {
    const tasks = [TASKS.choices];
    const run = (on: Model, thresholds: number[], exitFromCycle?: number) =>
      evaluate(on, tokenizer, {tasks, thresholds, exitFromCycle, limit: 1});
    await expect(run(source, [1, 0.5])).rejects.toThrow(/layout vanilla has no zero tokens/);
    await expect(run(model, [0.5], 3)).rejects.toThrow(
      /threshold 0\.5 would change nothing: of this model's 2 cycles none is checked/,
    );
    for (const thresholds of [[0], [-1], [NaN], []]) {
      await expect(run(model, thresholds)).rejects.toThrow(UsageError);
    }
  });
});

describe('evaluate', () => {
  it('refuses tasks that share a name, none, and odd numbers', async () => {
    const copy = temp.path('choices.jsonl');
    await writeFile(copy, await readFile(TASKS.choices));
    const run = (options: object) =>
      evaluate(source, tokenizer, {tasks: [TASKS.choices], limit: 1, timedQuestions: 0, ...options});
    await expect(run({tasks: [TASKS.choices, copy]})).rejects.toThrow(/would both be choices/);
    await expect(run({tasks: []})).rejects.toThrow(UsageError);
    await expect(run({tasks: ['pica']})).rejects.toThrow(/there is no task pica/);
    await expect(run({batchTokens: 0})).rejects.toThrow(UsageError);
    await expect(run({bootstrapIterations: -1})).rejects.toThrow(UsageError);
  });

  it('reports progress over tasks and thresholds, and stops when told', async () => {
    const seen: number[][] = [];
    const stop = new AbortController();
    const options = {
      tasks: [TASKS.choices, TASKS.last_words],
      thresholds: [1, 0.5],
      limit: 2,
      batchTokens: 1,
      timedQuestions: 0,
      signal: stop.signal,
    };
    await evaluate(model, tokenizer, {...options, onProgress: (done, total) => seen.push([done, total])});
    // One pass gives both thresholds.
    expect(seen).toEqual([1, 2, 1, 2].map((done) => [done, 2]));
    const stopped = evaluate(model, tokenizer, {...options, onProgress: () => stop.abort()});
    await expect(stopped).rejects.toThrow(InterruptedError);
  });

  it('writes what it reads', async () => {
    const modelName = 'user/some:model';
    const report = await evaluate(source, tokenizer, {tasks: [TASKS.choices], limit: 2, modelName});
    const [path] = await writeResults(temp.path('out'), report);
    expect(await readdir(temp.path('out'))).toEqual(['user__some__model']);
    expect(path).toMatch(/user__some__model\/results_\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d\.\d{3}\.json$/);
    expect(await readResults(path!)).toEqual(report);
    await writeFile(temp.path('file'), '');
    await expect(writeResults(temp.path('file'), report)).rejects.toThrow(FileError);
    expect(['/a/b', '..', '../m', 'a<>b'].map(sanitiseModelName)).toEqual(['__a__b', '__', '..__m', 'a__b']);
  });
});
