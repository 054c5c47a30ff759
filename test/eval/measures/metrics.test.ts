import {describe, expect, it} from 'vitest';
import {NOT_AVAILABLE, taskMetrics, type Task} from '../../../src/eval/index.js';
import {
  argmax,
  choiceHits,
  choiceMetrics,
  documentMetrics,
  wordMetrics,
} from '../../../src/eval/measures/metrics.js';
import {FILE_TASKS} from '../../../src/eval/tasks/task-table.js';
import {PythonRandom} from '../../../src/eval/measures/python-random.js';
import {bootstrapPerplexityStderr, meanStderr} from '../../../src/eval/measures/stderr.js';
import {expectClose} from '../../helpers/close.js';
import {expected} from '../fixtures.js';

it.each(expected.python_random)('random.Random($seed) draws as Python does', ({seed, random, choices}) => {
  const generator = new PythonRandom(seed);
  const drawn = Array.from({length: 1300}, () => generator.random());
  expect(drawn.slice(-3)).toEqual(random);
  const chooser = new PythonRandom(seed);
  const chosen = Array.from({length: 700}, () => chooser.index(1000));
  expect(chosen.slice(-5)).toEqual(choices);
});

describe('metrics', () => {
  it('the lowest of equal choices is the answer', () => {
    expect(argmax([-2, -1, -1])).toBe(1);
    expect(argmax([-Infinity, -3])).toBe(1);
  });

  it('length is in code points, and that of no character makes no answer', () => {
    // By code points -8/2 against -9/3; by UTF-16 units the first would win with -8/4.
    const choices = ['\u{1f600}\u{1f600}', 'abc'];
    const task: Task = {
      kind: 'multiple-choice',
      name: 't',
      definition: FILE_TASKS.query,
      dataset: {path: 'json', split: 'test', files: ['t.jsonl']},
      rows: [{question: FILE_TASKS.query.question({query: 'q', choices, gold: 1}, 't'), doc: {}, place: 't'}],
      original: 1,
    };
    const outcome = {logLikelihoods: [-8, -9], greedy: [false, false]};
    expect(taskMetrics(task, [outcome], 0).map(({value}) => value)).toEqual([0, 1]);
    expect(choiceHits({logLikelihoods: [-1, -9], lengths: [0, 3], gold: 1})).toEqual({acc: 0, acc_norm: 1});
  });

  it('errors are N/A for one row or without iterations', () => {
    const choice = {logLikelihoods: [-1, -2], lengths: [1, 1], gold: 0};
    const word = {logLikelihood: -1, greedy: true};
    const errors = (metrics: {stderr: unknown}[]) => metrics.map(({stderr}) => stderr);
    expect(errors(choiceMetrics([choice], 1000))).toEqual([NOT_AVAILABLE, NOT_AVAILABLE]);
    expect(errors(choiceMetrics([choice, choice], 0))).toEqual([NOT_AVAILABLE, NOT_AVAILABLE]);
    expect(errors(choiceMetrics([choice, choice], 1))).toEqual([0, 0]);
    expect(errors(wordMetrics([word], 1000))).toEqual([NOT_AVAILABLE, NOT_AVAILABLE]);
    expect(errors(wordMetrics([word, word], 0))).toEqual([NOT_AVAILABLE, NOT_AVAILABLE]);
    expect(errors(wordMetrics([word, word], 2))).toEqual([0, 0]);
  });

  it('documents count together, and what no double holds is N/A', () => {
    const [word, byte, bits] = documentMetrics([
      {logLikelihood: -10, words: 2, bytes: 4},
      {logLikelihood: -20, words: 4, bytes: 20},
    ]);
    expectClose([word!.value as number], [Math.exp(5)], 1e-12);
    expectClose([byte!.value as number], [Math.exp(30 / 24)], 1e-12);
    expectClose([bits!.value as number], [30 / 24 / Math.log(2)], 1e-12);
    expect(documentMetrics([{logLikelihood: -1000, words: 1, bytes: 500}])[0]!.value).toBe(NOT_AVAILABLE);
  });

  it('bootstrap draws whole chunks of at most 1000', () => {
    const values = [-1, -2, -4, -3];
    expect(bootstrapPerplexityStderr(values, 1999)).toBe(bootstrapPerplexityStderr(values, 1000));
    expect(bootstrapPerplexityStderr(values, 2000)).not.toBe(bootstrapPerplexityStderr(values, 1000));
    expect(meanStderr([0, 1])).toBe(0.5);
  });
});
