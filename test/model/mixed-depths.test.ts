import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {z} from 'zod';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {convert, load, type Model} from '../../src/index.js';
import type {RowExits} from '../../src/model/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {readRows} from '../helpers/integers.js';
import {FIXTURES} from '../helpers/oracle.js';
import {makeTempFolder} from '../helpers/temp.js';
import {sourceName} from '../helpers/oracle-variant.js';

const shapeSchema = z.object({
  layout: z.literal('ztt'),
  cycles: z.number(),
  head: z.number(),
  tail: z.number(),
});

/** The fixtures are PyTorch's, written by test/model/make_mixed_depths.py. */
describe.each(['native', 'wasm', 'cpu'])('tokens that leave early in training, on %s', (engine) => {
  describe.each(['gpt2', 'opt'])('%s', (family) => {
    let reference: SafetensorsFile;
    let model: Model;
    let ids: tf.Tensor2D;
    let rows: (RowExits | null)[];
    const before = () => tf.memory().numTensors;

    beforeAll(async () => {
      reference = await SafetensorsFile.open(join(FIXTURES, 'mixed-depths', `${family}.safetensors`));
      const temp = await makeTempFolder();
      const shape = shapeSchema.parse(JSON.parse(reference.metadata.shape!));
      await convert({source: join(FIXTURES, 'training', family), output: temp.path('model'), ...shape});
      model = await load(temp.path('model'), {engine});
      await temp.remove();
      const keys = model.parameters().get('zero_tokens.key')!;
      keys.assign(tf.tensor(await reference.readFloat32('zero_keys'), keys.shape));
      ids = tf.tensor2d(await readRows(reference, 'input_ids'), undefined, 'int32');
      const numbers = await reference.readFloat32('numbers');
      const T = ids.shape[1];
      const [, byNumber, byZero] = z.array(z.number()).parse(JSON.parse(reference.metadata.shares!));
      rows = [
        null,
        {share: byNumber!, by: [...numbers.subarray(T, 2 * T)]},
        {share: byZero!, by: 'zero-attention'},
      ];
    });
    afterAll(async () => {
      ids.dispose();
      model.dispose();
      await reference.close();
    });

    it.each([false, true])(
      'have the loss and gradients of PyTorch, with checkpointing %s',
      async (checkpointCycles) => {
        const tensors = before();
        const result = model.lossGradients(ids, {mixedDepths: rows, checkpointCycles});
        expectClose(await result.loss.data(), [Number(reference.metadata.loss)], 1e-5, 'loss');
        for (const [name, gradient] of result.gradients) {
          const theirs =
            name === 'zero_tokens.key' ? name : sourceName(name, model).replace(/^transformer\./, '');
          const stored = [
            theirs,
            `transformer.${theirs}`,
            theirs.replace(/^model\.decoder\./, 'decoder.'),
          ].find((each) => reference.tensors.has(each))!;
          expectNormClose(await gradient.data(), await reference.readFloat32(stored), 1e-4, 1e-6, name);
        }
        tf.dispose([result.loss, ...result.gradients.values()]);
        expect(before()).toBe(tensors);
      },
    );

    it('change nothing where no token leaves', async () => {
      const plain = model.lossGradients(ids);
      const none = model.lossGradients(ids, {mixedDepths: [null, {share: 0, by: 'zero-attention'}, null]});
      const mixed = model.lossGradients(ids, {mixedDepths: rows});
      expect(await none.loss.data()).toEqual(await plain.loss.data());
      for (const [name, gradient] of plain.gradients) {
        expect(await none.gradients.get(name)!.data()).toEqual(await gradient.data());
      }
      expect(Math.abs((await mixed.loss.data())[0]! - (await plain.loss.data())[0]!)).toBeGreaterThan(1e-4);
      for (const {loss, gradients} of [plain, none, mixed]) tf.dispose([loss, ...gradients.values()]);
    });
  });
});
