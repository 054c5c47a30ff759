import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {expect, it} from 'vitest';
import {Trainer} from '../../src/finetune/trainer.js';
import {convert, load} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {trainerSettings} from '../helpers/training.js';
import {makeTempFolder} from '../helpers/temp.js';

const B = 2;
const T = 33;
const STEPS = 5;

/** Some steps of training: what each measured, tfjs's memory after it, and a parameter at the end. */
async function train(engine: string, threads: number) {
  const temp = await makeTempFolder();
  const output = temp.path('ztt');
  const source = join(FIXTURES, 'gpt2-books');
  await convert({source, output, layout: 'ztt', cycles: 2, head: 3, tail: 3});
  const model = await load(output, {engine, threads});
  await temp.remove();
  const trainer = new Trainer(model, trainerSettings({steps: STEPS, warmup: 1, lr: 1e-3, seed: 1}));
  const results = [];
  const memory = [];
  for (let step = 1; step <= STEPS; step++) {
    const batch = Array.from({length: B}, (_, row) =>
      Array.from({length: T}, (_, i) => (step * 7919 + row * 131 + i * 17) % 4096),
    );
    results.push(await trainer.step(step, batch));
    const {numTensors, numDataBuffers, numBytes} = tf.memory();
    memory.push({numTensors, numDataBuffers, numBytes});
  }
  const weight = await model.parameters().get('middle.0.mlp.c_fc.weight')!.data();
  trainer.dispose();
  model.dispose();
  return {results, memory, weight};
}

it('takes the same steps on any number of threads, leaves nothing behind, and agrees with wasm', async () => {
  const one = await train('native', 1);
  const two = await train('native', 2);
  expect(two.results).toEqual(one.results);
  expect(two.weight).toEqual(one.weight);
  for (const after of one.memory) expect(after).toEqual(one.memory[0]);
  const wasm = await train('wasm', 1);
  for (const [i, {loss, gradNorm}] of wasm.results.entries()) {
    expect(one.results[i]!.loss).toBeCloseTo(loss, 3);
    expect(Math.abs(one.results[i]!.gradNorm / gradNorm - 1)).toBeLessThan(1e-3);
  }
  expect(one.results.at(-1)!.loss).not.toBeCloseTo(one.results[0]!.loss, 2);
});
