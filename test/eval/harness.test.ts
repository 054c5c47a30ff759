import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {
  evaluate,
  openTask,
  prepareTask,
  resultsSchema,
  scoreTask,
  taskMetrics,
  type EvalReport,
  type Evaluated,
  type TaskScores,
} from '../../src/eval/index.js';
import {choiceHits} from '../../src/eval/measures/metrics.js';
import {load, type Model, type RowScore} from '../../src/model/index.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {expectClose} from '../helpers/close.js';
import {FASTEST} from '../helpers/engine.js';
import {expected, MODEL, OPT, TASKS} from './fixtures.js';
import {expectLikelihoods, expectResults} from './likelihoods.js';

let model: Model;
/** The model, which scores each batch once: rows and aggregates are tested on the same scores. */
let once: Evaluated;
let tokenizer: Tokenizer;
beforeAll(async () => {
  [model, tokenizer] = await Promise.all([load(MODEL, {engine: FASTEST}), Tokenizer.load(MODEL)]);
  const known = new Map<string, Promise<RowScore[]>>();
  const score: Evaluated['score'] = (rows, options) => {
    const key = JSON.stringify(rows);
    if (!known.has(key)) known.set(key, model.score(rows, options));
    return known.get(key)!;
  };
  const {config, engine} = model;
  const [scoreExits, logitsBatch] = [model.scoreExits.bind(model), model.logitsBatch.bind(model)];
  once = {config, engine, score, scoreExits, logitsBatch};
});
afterAll(() => model.dispose());

async function score(
  on: Evaluated,
  name: keyof typeof TASKS,
  options: {limit?: number; batchTokens?: number} = {},
): Promise<TaskScores> {
  const task = await openTask(TASKS[name], {limit: options.limit});
  return scoreTask(on, prepareTask(task, tokenizer, on), {batchTokens: options.batchTokens});
}

describe('against lm-evaluation-harness 0.4.13, row by row', () => {
  it('multiple choice: log-likelihoods, greediness and both accuracies', async () => {
    const {outcomes} = await score(once, 'choices');
    const task = await openTask(TASKS.choices);
    expect(outcomes).toHaveLength(expected.rows.choices.length);
    for (const [i, row] of expected.rows.choices.entries()) {
      expectLikelihoods(outcomes[i]!.logLikelihoods, row.ll, `row ${i}`);
      expect(outcomes[i]!.greedy, `row ${i}`).toEqual(row.greedy);
      if (task.kind !== 'multiple-choice') throw new Error(task.kind);
      const {lengths, gold} = task.rows[i]!.question;
      const hits = choiceHits({logLikelihoods: outcomes[i]!.logLikelihoods, lengths, gold});
      expect(hits, `row ${i}`).toEqual({acc: row.acc, acc_norm: row.acc_norm});
    }
  });

  it('last words: log-likelihoods and greediness', async () => {
    const {outcomes} = await score(once, 'last_words');
    expect(outcomes).toHaveLength(expected.rows.last_words.length);
    for (const [i, {ll, greedy}] of expected.rows.last_words.entries()) {
      expectLikelihoods(outcomes[i]!.logLikelihoods, [ll], `row ${i}`);
      expect(outcomes[i]!.greedy, `row ${i}`).toEqual([greedy]);
    }
  });

  it('documents: log-likelihoods over several windows, words and bytes', async () => {
    const {outcomes} = await score(once, 'pages');
    const task = await openTask(TASKS.pages);
    if (task.kind !== 'rolling') throw new Error(task.kind);
    expect(outcomes).toHaveLength(expected.rows.pages.length);
    expect(Math.max(...outcomes.map(({slots}) => slots.length))).toBeGreaterThan(4);
    for (const [i, {ll, words, bytes}] of expected.rows.pages.entries()) {
      expectLikelihoods(outcomes[i]!.logLikelihoods, [ll], `row ${i}`);
      const {question} = task.rows[i]!;
      expect([question.words, question.bytes], `row ${i}`).toEqual([words, bytes]);
    }
  });
});

describe('an OPT, whose tokenizer puts </s> in front, against lm-evaluation-harness 0.4.13', () => {
  let opt: Model;
  let report: EvalReport;
  const rows = new Map<string, TaskScores>();
  beforeAll(async () => {
    const own = await Tokenizer.load(OPT.model);
    opt = await load(OPT.model, {engine: 'wasm'});
    for (const [name, path] of Object.entries(OPT.tasks)) {
      rows.set(name, await scoreTask(opt, prepareTask(await openTask(path), own, opt)));
    }
    report = await evaluate(opt, own, {
      tasks: Object.values(OPT.tasks),
      bootstrapIterations: OPT.expected.bootstrap_iters,
      timedQuestions: 0,
    });
  });
  afterAll(() => opt.dispose());

  it.each(Object.keys(OPT.tasks) as (keyof typeof OPT.tasks)[])('%s: each row', (name) => {
    const {outcomes} = rows.get(name)!;
    const wanted = OPT.expected.rows[name];
    expect(outcomes).toHaveLength(wanted.length);
    for (const [i, row] of wanted.entries()) {
      expectLikelihoods(outcomes[i]!.logLikelihoods, [row.ll].flat(), `row ${i}`);
      if ('greedy' in row) expect(outcomes[i]!.greedy, `row ${i}`).toEqual([row.greedy].flat());
    }
  });

  it.each(Object.keys(OPT.tasks))('%s: every number and its error', (name) => {
    expectResults(report.results[name]!, OPT.expected.results[name]!);
  });
});

describe('against lm-evaluation-harness 0.4.13, over all rows', () => {
  let report: EvalReport;
  beforeAll(async () => {
    report = await evaluate(once, tokenizer, {
      tasks: Object.values(TASKS),
      bootstrapIterations: expected.bootstrap_iters,
      timedQuestions: 2,
      modelName: 'gpt2-books',
    });
  });

  it.each(Object.keys(TASKS))('%s: every number and its error', (name) => {
    expectResults(report.results[name]!, expected.results[name]!);
  });

  it('has the shape of the harness', () => {
    expect(resultsSchema.parse(JSON.parse(JSON.stringify(report)))).toEqual(report);
    expect(report['n-samples'].pages).toEqual({original: 4, effective: 4});
    expect(report.higher_is_better).toEqual({
      choices: {acc: true, acc_norm: true},
      last_words: {perplexity: false, acc: true},
      pages: {word_perplexity: false, byte_perplexity: false, bits_per_byte: false},
    });
    expect(report.versions).toEqual({choices: 1, last_words: 1, pages: 1});
    expect(report['n-shot']).toEqual({choices: 0, last_words: 0, pages: 0});
    expect(report.configs.choices).toMatchObject({output_type: 'multiple_choice', num_fewshot: 0});
    expect(report.config).toMatchObject({model_num_parameters: 4394880, limit: null, bootstrap_iters: 1000});
    expect(report.max_length).toBe(256);
  });

  it('costs what the source costs, at full depth of the source itself', () => {
    const [only, ...others] = report.ztt.thresholds;
    expect(others).toEqual([]);
    expect(only).toMatchObject({threshold: 1, mean_slots: 8, flops_ratio_to_source: 1});
    expect(only!.exits_by_slot).toEqual({8: only!.tokens});
    expect(only!.results).toEqual(report.results);
    const rows = Object.values(only!.tasks).map((cost) => cost.rows);
    expect(rows.reduce((sum, n) => sum + n, 0)).toBe(only!.rows);
    expect(only!.timing).toMatchObject({questions: 6});
    expect(only!.timing!.batched_seconds).toBeGreaterThan(0);
    expect(only!.timing!.single_seconds).toBeGreaterThan(0);
  });
});

it('the errors of the same log-likelihoods are the same to the last digits', async () => {
  const outcome = (ll: number[], greedy: boolean[]) => ({logLikelihoods: ll, greedy});
  const outcomes = {
    choices: expected.rows.choices.map(({ll, greedy}) => outcome(ll, greedy)),
    last_words: expected.rows.last_words.map(({ll, greedy}) => outcome([ll], [greedy])),
    pages: expected.rows.pages.map(({ll}) => outcome([ll], [false])),
  };
  for (const name of ['choices', 'last_words', 'pages'] as const) {
    for (const metric of taskMetrics(await openTask(TASKS[name]), outcomes[name], 1000)) {
      const want = expected.results[name]!;
      const pairs = [
        [metric.value, want[`${metric.name},none`]],
        [metric.stderr, want[`${metric.name}_stderr,none`]],
      ];
      for (const [actual, value] of pairs) {
        if (typeof actual === 'number') expectClose([actual], [value as number], 1e-12 * actual, metric.name);
        else expect(actual).toBe(value);
      }
    }
  }
});

it('batches change nothing', async () => {
  const whole = await score(model, 'choices', {limit: 12, batchTokens: 100_000});
  const single = await score(model, 'choices', {limit: 12, batchTokens: 1});
  for (const [i, {logLikelihoods, greedy}] of whole.outcomes.entries()) {
    expectClose(single.outcomes[i]!.logLikelihoods, logLikelihoods, 2e-5, `row ${i}`);
    expect(single.outcomes[i]!.greedy).toEqual(greedy);
  }
  expect({...single.cost, seconds: 0}).toEqual({...whole.cost, seconds: 0});
});

it('takes the first rows with a limit, and says of how many', async () => {
  const report = await evaluate(model, tokenizer, {tasks: [TASKS.last_words], limit: 3});
  expect(report['n-samples'].last_words).toEqual({original: expected.rows.last_words.length, effective: 3});
  const wanted = expected.rows.last_words.slice(0, 3);
  const perplexity = Math.exp(-wanted.reduce((sum, {ll}) => sum + ll, 0) / 3);
  expectClose([report.results.last_words!['perplexity,none'] as number], [perplexity], 1e-4 * perplexity);
  expect(report.config.limit).toBe(3);
});
