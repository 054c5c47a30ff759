import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {readSteps} from '../../src/finetune/step/step-values.js';
import {Trainer} from '../../src/finetune/step/trainer.js';
import {convert, load} from '../../src/index.js';
import {FIXTURES} from './oracle.js';
import {makeTempFolder} from './temp.js';
import {trainerSettings} from './trainer-settings.js';

const B = 2;
const T = 33;

/**
 * Some steps of training: what each measured, tfjs's memory after it, and a parameter at the end.
 * @param ahead - as for an engine that computes later: each step is read before the next all the same
 */
export async function trainSteps(engine: string, threads: number, steps = 5, ahead = false) {
  const temp = await makeTempFolder();
  const output = temp.path('ztt');
  const source = join(FIXTURES, 'gpt2-books');
  await convert({source, output, layout: 'ztt', cycles: 2, head: 3, tail: 3});
  const model = await load(output, {engine, threads});
  await temp.remove();
  const trainer = new Trainer(model, trainerSettings({steps, warmup: 1, lr: 1e-3, seed: 1}));
  const results = [];
  const memory = [];
  for (let step = 1; step <= steps; step++) {
    const batch = Array.from({length: B}, (_, row) =>
      Array.from({length: T}, (_, i) => (step * 7919 + row * 131 + i * 17) % 4096),
    );
    results.push(
      ...(ahead ? await readSteps([trainer.stepAhead(step, batch)]) : [await trainer.step(step, batch)]),
    );
    const {numTensors, numDataBuffers, numBytes} = tf.memory();
    memory.push({numTensors, numDataBuffers, numBytes});
  }
  const weight = await model.parameters().get('middle.0.mlp.c_fc.weight')!.data();
  trainer.dispose();
  model.dispose();
  return {results, memory, weight};
}
