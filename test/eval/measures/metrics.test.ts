import {describe, expect, it} from 'vitest';
import {calibrationThresholds, NOT_AVAILABLE, taskMetrics, type Task} from '../../../src/eval/index.js';
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
import {UsageError} from '../../../src/errors.js';
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

describe('calibration', () => {
  const exiting = (scores: number[][], threshold: number) =>
    scores.filter((row) => Math.max(...row) > threshold).length;
  const rows = Array.from({length: 10}, (_, i) => [0.01, (i + 1) / 20, 0.02]);

  it('parts the rows at the midpoints, so that the share exits', () => {
    const shares = [0, 0.25, 0.5, 0.75, 1];
    const thresholds = calibrationThresholds([...rows].reverse(), shares);
    expect(thresholds.map((threshold) => exiting(rows, threshold))).toEqual([0, 3, 5, 8, 10]);
    expectClose(thresholds, [0.75, 0.375, 0.275, 0.125, 0.025], 1e-12);
  });

  it('takes the nearest share that ties allow', () => {
    const tied = [[0.5], [0.5], [0.5], [0.1]];
    const thresholds = calibrationThresholds(tied, [0.25, 0.5, 0.75]);
    expect(thresholds.map((threshold) => exiting(tied, threshold))).toEqual([0, 3, 3]);
    const neighbours = [[0.5], [0.5 + Number.EPSILON / 2]];
    expect(exiting(neighbours, calibrationThresholds(neighbours, [0.5])[0]!)).toBe(1);
  });

  it('refuses what it cannot calibrate', () => {
    expect(() => calibrationThresholds([], [0.5])).toThrow(UsageError);
    expect(() => calibrationThresholds([[0.1], []], [0.5])).toThrow(/row 1 has no exit scores/);
    expect(() => calibrationThresholds([[NaN]], [0.5])).toThrow(/row 0/);
    expect(() => calibrationThresholds([[0.1]], [1.5])).toThrow(/share 1.5/);
  });
});
