import {expect, it} from 'vitest';
import {didYouMean, meant} from '../../src/options/index.js';

const KNOWN = ['steps', 'batch-size', 'lr', 'lr-schedule', 'output'];

it.each([
  ['step', 'steps'],
  ['stpes', 'steps'],
  ['batchsize', 'batch-size'],
  ['lr-shedule', 'lr-schedule'],
  ['ouptut', 'output'],
  ['iters', 'steps'],
  ['x', null],
  ['temperature', null],
  ['constructor', null],
  ['steps'.repeat(100), null],
])('%s was meant to be %s', (word, expected) => {
  expect(meant(word, KNOWN, {iters: 'steps'})).toBe(expected);
});

it('is asked for only where something is close', () => {
  expect(didYouMean(meant('stpes', KNOWN))).toBe('; did you mean steps?');
  expect(didYouMean(meant('stpes', []))).toBe('');
});
