import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {Trainer} from '../../src/finetune/step/trainer.js';
import type {Model} from '../../src/index.js';
import {trainerSettings} from '../helpers/trainer-settings.js';
import {Expected} from '../helpers/oracle.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const SETTINGS = trainerSettings({lr: 1e-3, warmup: 0, seed: 1});

describe.each(['wasm', 'native'])('gradient checkpointing on %s', (engine) => {
  describe.each(['gpt2', 'opt-350m-style'])('%s', (name) => {
    let model: Model;
    let ids: tf.Tensor2D;

    beforeAll(async () => {
      const expected = await Expected.open(name);
      model = await loadVariant(name, 'ztt3-head2', expected, {engine});
      ids = tf.tensor2d(await expected.ids(), undefined, 'int32');
      await expected.close();
    });
    afterAll(() => {
      ids.dispose();
      model.dispose();
    });

    it('gives the same loss and gradients, bit for bit, and leaves no tensor behind', async () => {
      const before = tf.memory().numTensors;
      const plain = model.lossGradients(ids);
      const checkpointed = model.lossGradients(ids, {checkpointCycles: true});
      expect(await checkpointed.loss.data()).toEqual(await plain.loss.data());
      expect(checkpointed.gradients.size).toBe(plain.gradients.size);
      for (const [parameter, gradient] of plain.gradients) {
        expect(await checkpointed.gradients.get(parameter)!.data(), parameter).toEqual(await gradient.data());
      }
      for (const {loss, gradients} of [plain, checkpointed]) tf.dispose([loss, ...gradients.values()]);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});

it('drops out the same elements when a stretch is computed again', async () => {
  const expected = await Expected.open('gpt2');
  const model = await loadVariant('gpt2', 'ztt3-head2', expected, {engine: 'wasm'});
  const rows = await expected.ids();
  model.config.ztt!.dropout = 0.2;
  const losses: number[] = [];
  for (const checkpointCycles of [false, true]) {
    const before = [...model.parameters()].map(([, variable]) => [variable, variable.clone()] as const);
    const trainer = new Trainer(model, {...SETTINGS, checkpointCycles});
    const {loss, gradNorm} = await trainer.step(1, rows);
    losses.push(loss, gradNorm);
    trainer.dispose();
    for (const [variable, value] of before) {
      variable.assign(value);
      value.dispose();
    }
  }
  expect(losses.slice(2)).toEqual(losses.slice(0, 2));
  await expected.close();
  model.dispose();
});
