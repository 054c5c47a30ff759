import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {expect, it} from 'vitest';
import {z} from 'zod';
import {useEngine} from '../../src/index.js';
import {AdamW, globalNorm} from '../../src/finetune/adamw.js';
import {learningRate} from '../../src/finetune/schedule.js';
import {expectClose} from '../helpers/close.js';
import {FIXTURES} from '../helpers/oracle.js';

const values = z.object({matrix: z.array(z.array(z.number())), bias: z.array(z.number())});
const fixture = z.object({
  start: values,
  steps: z.array(values.extend({gradients: values, norm: z.number()})),
});

/** The fixture is PyTorch's, written by test/finetune/make_adamw.py. */
it('updates as torch.optim.AdamW does, with decay on matrices and clipping to norm 1', async () => {
  await useEngine({engine: 'wasm'});
  const text = await readFile(join(FIXTURES, 'adamw.json'), 'utf8');
  const {start, steps} = fixture.parse(JSON.parse(text));
  const parameters = new Map<string, tf.Variable>([
    ['matrix', tf.variable(tf.tensor2d(start.matrix))],
    ['bias', tf.variable(tf.tensor1d(start.bias))],
  ]);
  const optimizer = new AdamW(parameters, (name) => name === 'matrix');
  for (const [index, expected] of steps.entries()) {
    const gradients = new Map<string, tf.Tensor>([
      ['matrix', tf.tensor2d(expected.gradients.matrix)],
      ['bias', tf.tensor1d(expected.gradients.bias)],
    ]);
    const norm = await globalNorm(gradients.values());
    expectClose([norm], [expected.norm], 1e-5, 'norm');
    optimizer.update(gradients, index + 1, 0.05, Math.min(1, 1 / (norm + 1e-6)));
    expectClose(await parameters.get('matrix')!.data(), expected.matrix.flat(), 1e-6, 'matrix');
    expectClose(await parameters.get('bias')!.data(), expected.bias, 1e-6, 'bias');
  }
});

it('warms up linearly and falls by a half cosine to a tenth', () => {
  const rates = [1, 2, 4, 12, 20].map((step) => learningRate(step, 20, 4, 1));
  expectClose(rates, [0.25, 0.5, 1, 0.55, 0.1], 1e-12, 'rate');
  expect(learningRate(1, 1, 0, 1)).toBeCloseTo(0.1, 12);
});
