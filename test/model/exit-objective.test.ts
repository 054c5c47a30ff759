import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {z} from 'zod';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {convert, LAYOUTS, load, type Model} from '../../src/index.js';
import type {GradientOptions, LossGradients} from '../../src/model/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {readRows} from '../helpers/integers.js';
import {FIXTURES} from '../helpers/oracle.js';
import {makeTempFolder} from '../helpers/temp.js';
import {sourceName} from '../helpers/oracle-variant.js';

const objectiveSchema = z.object({
  exitLossWeight: z.number(),
  weight: z.number(),
  margin: z.number(),
  slots: z.array(z.number()),
  closed: z.array(z.number()),
});
const shapeSchema = z.object({
  layout: z.enum(LAYOUTS),
  cycles: z.number(),
  head: z.number(),
  tail: z.number(),
});
const foundSchema = z.object({
  loss: z.number(),
  exits: z.record(z.string(), z.object({cost: z.number(), harmless: z.number(), zero: z.number()})),
});

/** The names of units in the fixtures. */
const STORED = {sequence: 'row', token: 'token'} as const;

/** The fixtures are PyTorch's, written by test/model/make_exits.py. */
describe.each(['native', 'wasm', 'cpu'])('the loss at exits and what they cost, on %s', (engine) => {
  describe.each(['gpt2', 'opt'])('%s', (family) => {
    let reference: SafetensorsFile;
    let model: Model;
    let ids: tf.Tensor2D;
    let base: GradientOptions;
    let objective: z.output<typeof objectiveSchema>;

    beforeAll(async () => {
      reference = await SafetensorsFile.open(join(FIXTURES, 'exits', `${family}.safetensors`));
      const temp = await makeTempFolder();
      const shape = shapeSchema.parse(JSON.parse(reference.metadata.shape!));
      await convert({source: join(FIXTURES, 'training', family), output: temp.path('model'), ...shape});
      model = await load(temp.path('model'), {engine});
      await temp.remove();
      const keys = model.parameters().get('zero_tokens.key')!;
      keys.assign(tf.tensor(await reference.readFloat32('zero_keys'), keys.shape));
      const rows = await readRows(reference, 'input_ids');
      ids = tf.tensor2d(rows, undefined, 'int32');
      const lossMask = (await readRows(reference, 'labels')).map((row) => row.map((label) => label !== -100));
      objective = objectiveSchema.parse(JSON.parse(reference.metadata.objective!));
      base = {lossMask, exitLossWeight: objective.exitLossWeight};
    });
    afterAll(async () => {
      ids.dispose();
      model.dispose();
      await reference.close();
    });

    const exits = (unit: 'sequence' | 'token') => ({
      ...objective,
      unit,
      slots: new Set(objective.slots),
      closed: new Set(objective.closed),
    });

    describe.each([false, true])('with checkpointing %s', (checkpointCycles) => {
      it.each(['sequence', 'token'] as const)('are those of PyTorch, by %s', async (unit) => {
        const before = tf.memory().numTensors;
        const result = model.lossGradients(ids, {...base, exits: exits(unit), checkpointCycles});
        const wanted = foundSchema.parse(JSON.parse(reference.metadata[STORED[unit]]!));
        expectClose(await result.loss.data(), [wanted.loss], 1e-5, 'loss');
        expect(result.exits.map(({slot}) => slot)).toEqual(objective.slots);
        for (const {slot, ...measured} of result.exits) {
          const values = [measured.cost, measured.harmless, measured.zero].map((x) => x.dataSync()[0]!);
          const {cost, harmless, zero} = wanted.exits[slot]!;
          expectClose(values, [cost, harmless, zero], 1e-5, `slot ${slot}`);
        }
        for (const [name, gradient] of result.gradients) {
          const theirs =
            name === 'zero_tokens.key' ? name : sourceName(name, model).replace(/^transformer\./, '');
          const expected = await reference.readFloat32(`${STORED[unit]}.${await storedAs(theirs)}`);
          expectNormClose(await gradient.data(), expected, 1e-4, 1e-6, name);
        }
        disposeOf(result);
        expect(tf.memory().numTensors).toBe(before);
      });
    });

    const storedAs = (name: string): Promise<string> => {
      const names = [name, `transformer.${name}`, name.replace(/^model\.decoder\./, 'decoder.')];
      return Promise.resolve(names.find((each) => reference.tensors.has(`row.${each}`))!);
    };

    it('gives the zero keys alone a gradient by zero attention', async () => {
      const plain = model.lossGradients(ids, base);
      const taught = model.lossGradients(ids, {...base, exits: exits('sequence')});
      for (const [name, gradient] of plain.gradients) {
        const same = expect(await taught.gradients.get(name)!.data());
        if (name === 'zero_tokens.key') same.not.toEqual(await gradient.data());
        else same.toEqual(await gradient.data());
      }
      disposeOf(plain);
      disposeOf(taught);
    });

    it('runs fewer cycles where it is told, with the gradients of a model that has fewer', async () => {
      const one = model.lossGradients(ids, {cycles: 1, exitLossWeight: 0.5, exits: exits('sequence')});
      expect(one.exits).toEqual([]);
      const keys = (await one.gradients.get('zero_tokens.key')!.data()) as Float32Array;
      const perSlot = keys.length / model.config.arch.layers.length / 2;
      const used = Array.from({length: 8}, (_, slot) =>
        keys.subarray(slot * perSlot, (slot + 1) * perSlot).some((value) => value !== 0),
      );
      expect(used).toEqual([true, true, true, false, false, false, false, true]);
      disposeOf(one);
    });
  });
});

function disposeOf({loss, gradients, exits}: LossGradients): void {
  tf.dispose([
    loss,
    ...gradients.values(),
    ...exits.flatMap(({cost, harmless, zero}) => [cost, harmless, zero]),
  ]);
}
