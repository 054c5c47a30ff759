import {existsSync} from 'node:fs';
import {appendFile, copyFile, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {evaluate, WorkFile, type EvalOptions, type EvalReport} from '../../../src/eval/index.js';
import {textOfScores, scoresOfLine} from '../../../src/eval/scoring/work-line.js';
import {type Model} from '../../../src/model/index.js';
import type {Tokenizer} from '../../../src/tokenizer/index.js';
import {jsonSha256} from '../../../src/files/index.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {loadZtt, TASKS} from '../fixtures.js';

const temp = sharedTempFolder();
let model: Model;
let tokenizer: Tokenizer;
/** An evaluation without interruption. */
let whole: EvalReport;
/** The work file of one that was stopped after some batches. */
let stopped: string;
const weights = {'model.safetensors': 'abc'};
let options: EvalOptions;

beforeAll(async () => {
  ({model, tokenizer} = await loadZtt(temp.path('ztt')));
  const pages = temp.path('pages.jsonl');
  await writeFile(pages, JSON.stringify({page: 'It was a bright day in the little town. '.repeat(9)}));
  options = {
    tasks: [TASKS.choices, pages],
    thresholds: [0.02, 1],
    limit: 4,
    timedQuestions: 0,
    bootstrapIterations: 0,
    batchTokens: 1,
  };
  whole = await evaluate(model, tokenizer, options);
  stopped = temp.path('new', 'stopped.jsonl');
  const work = await WorkFile.open(stopped, model, weights, options);
  const controller = new AbortController();
  let batches = 0;
  const onProgress = () => (++batches === 3 ? controller.abort() : undefined);
  const run = evaluate(model, tokenizer, {...options, work, onProgress, signal: controller.signal});
  await expect(run).rejects.toThrow(/stopped/);
  await work.close();
});
afterAll(() => {
  model.dispose();
});

/** A copy of the stopped evaluation's work. */
async function workAt(name: string): Promise<string> {
  const path = temp.path(name);
  await copyFile(stopped, path);
  return path;
}

/** Evaluates on from a work file; with the number of batches that the model scored. */
async function goOn(path: string, changed: Partial<EvalOptions> = {}, files = weights) {
  const all = {...options, ...changed};
  const work = await WorkFile.open(path, model, files, all);
  const {batches, other} = work;
  const report = await evaluate(model, tokenizer, {...all, work});
  const left = work.batches;
  await work.close();
  return {report, batches, other, left, lines: (await linesOf(path)).length};
}

const linesOf = async (path: string) =>
  (await readFile(path, 'utf8')).split('\n').filter((line) => line.includes('"key"'));

interface Line {
  sha256?: string;
  exits: {scores: {logProbabilities: string}[]}[];
}

/** A work file's text with its batches edited, each with the hash of what it says then. */
function edited(text: string, edit: (line: Line) => void): string {
  const lines = text.split('\n').map((line) => {
    if (!line.includes('"key"')) return line;
    const {sha256, ...content} = JSON.parse(line) as Line;
    expect(sha256).toMatch(/^[0-9a-f]{64}$/);
    edit(content);
    return JSON.stringify({...content, sha256: jsonSha256(content)});
  });
  return lines.join('\n');
}

/** Without what no two runs have in common. */
const lasting = (report: EvalReport) => ({...report, date: 0, total_evaluation_time_seconds: ''});

describe('an evaluation that was stopped', () => {
  it('goes on where it was, to the same bit', async () => {
    const {report, batches, other, left} = await goOn(await workAt('on'));
    expect({batches, other, left}).toEqual({batches: 3, other: false, left: 0});
    expect(lasting(report)).toEqual(lasting(whole));
  });

  it('computes nothing twice', async () => {
    const path = await workAt('twice');
    const {lines} = await goOn(path);
    expect(lines).toBe(6);
    const again = await goOn(path);
    expect(again).toMatchObject({batches: lines, left: 0, lines});
    expect(lasting(again.report)).toEqual(lasting(whole));
  });

  it.each<[string, (text: string) => string]>([
    ['a number changed', (text) => text.replace(/"flops":\d+/g, '"flops":1')],
    [
      'log-probabilities missing',
      (text) => text.replace(/"logProbabilities":"[^"]*"/g, '"logProbabilities":""'),
    ],
    [
      'a score missing, and a hash that fits',
      (text) =>
        edited(text, (line) => line.exits[0]!.scores.forEach((row) => (row.logProbabilities = 'AAAA'))),
    ],
    [
      'a row missing, and a hash that fits',
      (text) => edited(text, (line) => void line.exits[0]!.scores.pop()),
    ],
  ])('scores again what has %s', async (name, damage) => {
    const path = await workAt(name);
    await writeFile(path, damage(await readFile(path, 'utf8')));
    expect(lasting((await goOn(path)).report)).toEqual(lasting(whole));
  });

  it.each([1, 40, 500])('scores a last line again that was cut short by %i bytes', async (bytes) => {
    const path = await workAt(`torn-${bytes}`);
    const text = await readFile(path, 'utf8');
    // Without its line break alone a line is whole.
    await writeFile(path, text.slice(0, -1 - bytes));
    const {report, batches, lines} = await goOn(path);
    expect(batches).toBe(2);
    expect(lasting(report)).toEqual(lasting(whole));
    const again = await goOn(path);
    expect(again.batches).toBe(lines - 1);
    expect(again.lines).toBe(lines);
  });

  it('passes by lines that are no batches', async () => {
    const path = await workAt('junk');
    await appendFile(
      path,
      '\0\0\0\n{"key":"a","exits":[]}\n{"key":"a","exits":[{"slot":null,"scores":[{}]}]}\n[]\n',
    );
    const {report, batches} = await goOn(path);
    expect(batches).toBe(3);
    expect(lasting(report)).toEqual(lasting(whole));
  });

  it.each([
    ['thresholds', {thresholds: [0.03, 1]}],
    ['slot thresholds', {slotThresholds: {8: 0.03}}],
    ['rows', {limit: 3}],
    ['tasks', {tasks: [TASKS.choices]}],
    ['exits', {exitFromCycle: 1}],
  ])('starts anew with other %s', async (name, changed) => {
    const path = await workAt(`other-${name}`);
    expect(await goOn(path, changed)).toMatchObject({batches: 0, other: true});
    expect(await goOn(path, changed)).toMatchObject({other: false, left: 0});
  });

  it('starts anew with other weights, and leaves the file until it has something to keep', async () => {
    const path = await workAt('other-weights');
    const work = await WorkFile.open(path, model, {'model.safetensors': 'abd'}, options);
    expect(work).toMatchObject({batches: 0, other: true});
    expect(await linesOf(path)).toHaveLength(3);
  });

  it('scores rows anew whose text has changed', async () => {
    const tasks = [temp.path('own.jsonl')];
    const row = {query: 'She said that', choices: [' she was', ' went the'], gold: 0};
    await writeFile(tasks[0]!, `${JSON.stringify(row)}\n`);
    const path = temp.path('changed-rows');
    await goOn(path, {tasks});
    await writeFile(tasks[0]!, `${JSON.stringify({...row, query: 'He saw how'})}\n`);
    const {report, batches, left} = await goOn(path, {tasks});
    expect({batches, left}).toEqual({batches: 1, left: 1});
    expect(lasting(report)).toEqual(lasting(await evaluate(model, tokenizer, {...options, tasks})));
  });

  it('leaves nothing where there was nothing, nor after the end', async () => {
    const path = join(temp.path('nothing'), 'work.jsonl');
    const work = await WorkFile.open(path, model, weights, options);
    expect(work).toMatchObject({batches: 0, other: false});
    await work.close();
    expect(existsSync(temp.path('nothing'))).toBe(false);
    await evaluate(model, tokenizer, {...options, work});
    expect(existsSync(path)).toBe(true);
    await work.remove();
    expect(existsSync(path)).toBe(false);
  });
});

it('a line keeps every bit, and what JSON has not', () => {
  const exits = [
    {
      slot: 3,
      scores: [
        {
          logProbabilities: Float32Array.of(-0.1, -Infinity, NaN, -0),
          greedy: [true, false, false, true],
          slots: 7 / 3,
          slotsPerToken: Int32Array.of(1, 2, 3),
          exited: true,
          exitScores: [0.1 + 0.2, NaN],
          tokenScores: [Float64Array.of(1 / 3)],
          zeroAttention: [],
          flops: 123456789012345,
        },
      ],
    },
  ];
  expect(scoresOfLine(JSON.parse(textOfScores('key', exits)))).toEqual({key: 'key', exits});
});
