import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {expect, it} from 'vitest';
import {z} from 'zod';
import {listEngines, useEngine} from '../../../src/index.js';
import {AdamW, normOf, sumsOfSquares} from '../../../src/finetune/step/adamw.js';
import {ADAMW_DEFAULTS} from '../../../src/finetune/settings/optimizer-options.js';
import {learningRate} from '../../../src/finetune/settings/schedule.js';
import {expectClose} from '../../helpers/close.js';
import {FIXTURES} from '../../helpers/oracle.js';

const values = z.object({matrix: z.array(z.array(z.number())), bias: z.array(z.number())});
const fixture = z.object({
  start: values,
  steps: z.array(values.extend({gradients: values, norm: z.number()})),
});

/** The fixture is PyTorch's, written by test/finetune/step/make_adamw.py. */
it('updates as torch.optim.AdamW does, with decay on matrices and clipping to norm 1', async () => {
  await useEngine({engine: 'wasm'});
  const text = await readFile(join(FIXTURES, 'adamw.json'), 'utf8');
  const {start, steps} = fixture.parse(JSON.parse(text));
  const parameters = new Map<string, tf.Variable>([
    ['matrix', tf.variable(tf.tensor2d(start.matrix))],
    ['bias', tf.variable(tf.tensor1d(start.bias))],
  ]);
  const optimizer = new AdamW(parameters, (name) => name === 'matrix', ADAMW_DEFAULTS);
  for (const [index, expected] of steps.entries()) {
    const gradients = new Map<string, tf.Tensor>([
      ['matrix', tf.tensor2d(expected.gradients.matrix)],
      ['bias', tf.tensor1d(expected.gradients.bias)],
    ]);
    const norm = normOf((await sumsOfSquares(gradients.values()).data()) as Float32Array);
    expectClose([norm], [expected.norm], 1e-5, 'norm');
    optimizer.update(gradients, index + 1, 0.05, Math.min(1, 1 / (norm + 1e-6)));
    expectClose(await parameters.get('matrix')!.data(), expected.matrix.flat(), 1e-6, 'matrix');
    expectClose(await parameters.get('bias')!.data(), expected.bias, 1e-6, 'bias');
  }
});

it.each(['wasm', 'native'])(
  'takes a gradient that is not there for 0, on %s (skips where it is not built)',
  async (name) => {
    const engine = (await listEngines()).find((engine) => engine.name === name);
    if (engine?.reason !== null) return;
    await useEngine({engine: name});
    const ends = [];
    for (const none of [() => [], () => [['matrix', tf.zeros([2, 2])] as const]]) {
      const matrix = tf.variable(tf.tensor2d([1, -2, 3, 4], [2, 2]));
      const optimizer = new AdamW(new Map([['matrix', matrix]]), () => true, ADAMW_DEFAULTS);
      optimizer.update(new Map([['matrix', tf.tensor2d([1, 2, -3, 0], [2, 2])]]), 1, 0.05, 1);
      optimizer.update(new Map<string, tf.Tensor>(none()), 2, 0.05, 1);
      ends.push(await matrix.data());
    }
    expect(ends[0]).toEqual(ends[1]);
  },
);

it.each([
  ['cosine', [0.25, 0.5, 1, 0.55, 0.1]],
  ['linear', [0.25, 0.5, 1, 0.55, 0.1]],
  ['constant', [0.25, 0.5, 1, 1, 1]],
] as const)('warms up linearly, then goes on as %s', (lrSchedule, expected) => {
  const options = {steps: 20, warmup: 4, lr: 1, lrSchedule};
  const rates = [1, 2, 4, 12, 20].map((step) => learningRate(step, options));
  expectClose(rates, expected, 1e-12, 'rate');
});

it('falls by a half cosine or along a line to a tenth', () => {
  const at = (lrSchedule: 'cosine' | 'linear') => learningRate(6, {steps: 10, warmup: 2, lr: 2, lrSchedule});
  expectClose([at('cosine'), at('linear')], [1.1, 1.1], 1e-12, 'rate at the half');
  const early = (lrSchedule: 'cosine' | 'linear') =>
    learningRate(4, {steps: 10, warmup: 2, lr: 1, lrSchedule});
  expectClose([early('cosine')], [0.1 + (0.9 * (1 + Math.SQRT1_2)) / 2], 1e-12, 'cosine');
  expectClose([early('linear')], [0.775], 1e-12, 'linear');
  expect(learningRate(1, {steps: 1, warmup: 0, lr: 1, lrSchedule: 'cosine'})).toBeCloseTo(0.1, 12);
});
