import {cp, mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {readRows, type OpenDataset} from '../../../src/data/index.js';
import {
  evaluate,
  openTask,
  prepareTask,
  scoreTask,
  TASK_NAMES,
  taskMetrics,
  type Task,
  type TaskScores,
} from '../../../src/eval/index.js';
import {capitalise, cleanHellaswag, detokenise} from '../../../src/eval/tasks/clean-text.js';
import {FileError, FormatError, UsageError} from '../../../src/errors.js';
import {load, type Model} from '../../../src/model/index.js';
import {Tokenizer} from '../../../src/tokenizer/index.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {MODEL, OPT} from '../fixtures.js';
import {expectLikelihoods, expectResults} from '../likelihoods.js';
import {expectedTasks, TASK_DATA} from '../task-fixtures.js';

const dataFolder = TASK_DATA;
const expected = expectedTasks('expected.json');

it('the tasks are those of the fixtures', () => {
  expect([...TASK_NAMES].sort()).toEqual(Object.keys(expected.rows).sort());
});

describe.each(TASK_NAMES)('%s', (name) => {
  let task: Task;
  beforeAll(async () => {
    task = await openTask(name, {dataFolder});
  });

  it("asks what the harness's own definition asks", () => {
    const rows = expected.rows[name]!;
    expect(task.rows).toHaveLength(rows.length);
    for (const [i, row] of rows.entries()) expect(textsOf(task, i), `row ${i}`).toEqual(row.arguments);
    expect(task.definition.version).toBe(expected.versions[name]);
  });
});

function textsOf(task: Task, row: number): string[][] {
  if (task.kind === 'rolling') return [[task.rows[row]!.question.text]];
  const pairs = task.kind === 'last-word' ? [task.rows[row]!.question.pair] : task.rows[row]!.question.pairs;
  return pairs.map(({context, continuation}) => [context, continuation]);
}

describe.each([
  {family: 'GPT-2', folder: MODEL, file: 'expected.json' as const},
  {family: 'OPT', folder: OPT.model, file: 'expected-opt.json' as const},
])('$family against lm-evaluation-harness 0.4.13', ({folder, file}) => {
  const wanted = expectedTasks(file);
  const scores = new Map<string, {task: Task; scores: TaskScores}>();
  let model: Model;
  beforeAll(async () => {
    const tokenizer = await Tokenizer.load(folder);
    model = await load(folder, {engine: 'auto'});
    for (const name of TASK_NAMES) {
      const task = await openTask(name, {dataFolder});
      scores.set(name, {task, scores: await scoreTask(model, prepareTask(task, tokenizer, model))});
    }
  }, 120_000);
  afterAll(() => model.dispose());

  it.each(TASK_NAMES)('%s: each row', (name) => {
    const {outcomes} = scores.get(name)!.scores;
    expect(outcomes).toHaveLength(wanted.rows[name]!.length);
    for (const [i, row] of wanted.rows[name]!.entries()) {
      expectLikelihoods(outcomes[i]!.logLikelihoods, row.ll, `row ${i}`);
      if (row.greedy.length > 0) expect(outcomes[i]!.greedy, `row ${i}`).toEqual(row.greedy);
    }
  });

  it.each(TASK_NAMES)('%s: every number and its error', (name) => {
    const {task, scores: own} = scores.get(name)!;
    const metrics = taskMetrics(task, own.outcomes, wanted.bootstrap_iters);
    const actual = Object.fromEntries(
      metrics.flatMap(({name: metric, value, stderr}) => [
        [`${metric},none`, value],
        [`${metric}_stderr,none`, stderr],
      ]),
    );
    expectResults(actual, wanted.results[name]!);
  });
});

describe('where the rows of a task come from', () => {
  const temp = sharedTempFolder();

  const piqa = '{"goal": "g", "sol1": "a", "sol2": "b", "label": "1"}\n';

  it('a folder may hold them by repo, by name, by task, or as one file of rows', async () => {
    const rows = (await openTask('piqa', {dataFolder})).original;
    for (const place of ['piqa', 'baber/piqa']) {
      const folder = temp.path(place.replace('/', '-'));
      await cp(join(TASK_DATA, 'baber', 'piqa'), join(folder, place), {recursive: true});
      expect((await openTask('piqa', {dataFolder: folder})).original).toBe(rows);
    }
    const folder = temp.path('files');
    await mkdir(folder);
    await writeFile(join(folder, 'piqa.jsonl'), piqa.repeat(3));
    const task = await openTask('piqa', {dataFolder: folder, limit: 2});
    expect([task.rows.length, task.original]).toEqual([2, 3]);
    expect(task).toMatchObject({kind: 'multiple-choice', name: 'piqa', dataset: {path: 'baber/piqa'}});
  });

  it('else the Hub has them, perhaps as parquet on a branch of its own', async () => {
    const bytes = await readFile(
      join(TASK_DATA, 'cimec', 'lambada', 'plain_text', 'test-00000-of-00001.parquet'),
    );
    await writeFile(temp.path('0000.parquet'), bytes);
    const asked: string[] = [];
    const openDataset: OpenDataset = async (repo) => {
      asked.push(repo);
      const names = repo.includes('@') ? ['plain_text/test/0000.parquet'] : ['lambada.py', 'data.tar.gz'];
      return Promise.resolve({
        names,
        fetch: (files) => Promise.resolve(files.map(() => temp.path('0000.parquet'))),
      });
    };
    const task = await openTask('lambada_standard', {openDataset});
    expect(asked).toEqual(['cimec/lambada', 'cimec/lambada@refs/convert/parquet']);
    expect(task.original).toBe(expected.rows['lambada_standard']!.length);
  });

  it('what is not there, or does not fit, is told with its place', async () => {
    await expect(openTask('piqa')).rejects.toThrow(UsageError);
    const folder = temp.path('wrong');
    await mkdir(folder);
    await expect(openTask('piqa', {dataFolder: folder})).rejects.toThrow(FileError);
    await expect(openTask('piqa', {dataFolder: folder})).rejects.toThrow(
      /no data of task piqa: none of baber\/piqa, piqa, piqa, piqa\.jsonl/,
    );
    const bad: [string, string, RegExp][] = [
      ['piqa', piqa.replace('"1"', '2'), /piqa\.jsonl, line 1 at label/],
      [
        'arc_easy',
        '{"question": "q", "choices": {"text": ["a"], "label": ["A"]}, "answerKey": "B"}',
        /answerKey is "B"/,
      ],
      ['winogrande', '{"sentence": "s", "option1": "a", "option2": "b", "answer": "1"}', /at sentence: .*_/],
      [
        'hellaswag',
        '{"activity_label": "a", "ctx_a": "", "ctx_b": "", "endings": ["a"], "label": "1"}',
        /names no ending/,
      ],
      ['boolq', '{"passage": null, "question": "q", "label": 0}', /at passage/],
    ];
    for (const [name, content, message] of bad) {
      await writeFile(join(folder, `${name}.jsonl`), content);
      const error: unknown = await openTask(name, {dataFolder: folder}).catch((reason: unknown) => reason);
      expect(error).toBeInstanceOf(FormatError);
      expect((error as Error).message).toMatch(message);
    }
  });
});

it('the report names the dataset and its files', async () => {
  const model = await load(OPT.model, {engine: 'wasm'});
  const report = await evaluate(model, await Tokenizer.load(OPT.model), {
    tasks: ['boolq', 'wikitext'],
    taskData: {dataFolder},
    limit: 1,
  });
  model.dispose();
  expect(report.versions).toEqual({boolq: 2, wikitext: 2});
  expect(report['n-samples']).toEqual({
    boolq: {original: 8, effective: 1},
    wikitext: {original: 3, effective: 1},
  });
  expect(Object.keys(report.higher_is_better['boolq']!)).toEqual(['acc']);
  expect(report.configs['boolq']).toMatchObject({dataset_path: 'aps/super_glue', dataset_name: 'boolq'});
});

describe('clean-up of texts', () => {
  it('is in proportion to their length, whatever is in them', () => {
    const began = performance.now();
    for (const text of [
      '['.repeat(1e6),
      '[\n'.repeat(5e5),
      '( '.repeat(5e5),
      ' '.repeat(1e6) + 'x',
      '"'.repeat(1e6),
    ]) {
      cleanHellaswag(text);
      detokenise(text);
    }
    expect(performance.now() - began).toBeLessThan(5000);
  });

  it("takes Python's meaning of capitals and of lines", () => {
    expect(['', 'aB', 'éT', '\u{10428}X'].map(capitalise)).toEqual(['', 'Ab', 'Ét', '\u{10400}x']);
    expect(cleanHellaswag(' a [b\nc] [d\r] e[] ')).toBe('a [b\nc]  e'.replace('  ', ' '));
  });
});

it('parquet rows come with nested columns, as JSON has them', async () => {
  const path = join(TASK_DATA, 'allenai', 'ai2_arc', 'ARC-Easy', 'test-00000-of-00001.parquet');
  const rows = [];
  for await (const {values} of readRows({path})) rows.push(values);
  expect(rows).toHaveLength(10);
  expect(rows.at(-1)).toEqual({
    id: 'odd',
    question: 'Which?\n',
    choices: {text: [' a', '', 'the sea', '1'], label: ['A', 'B', 'C', 'D']},
    answerKey: 'C',
  });
});
