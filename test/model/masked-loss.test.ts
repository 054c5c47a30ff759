import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {UsageError, type Model} from '../../src/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {Expected, FIXTURES} from '../helpers/oracle.js';
import {loadVariant, sourceName} from '../helpers/oracle-variant.js';

const IGNORED = -100;

describe.each(['native', 'wasm', 'cpu'])('a masked loss on %s', (engine) => {
  describe.each(['gpt2', 'opt'])('%s', (name) => {
    let model: Model;
    let ids: number[][];
    let mask: boolean[][];
    let reference: SafetensorsFile;

    beforeAll(async () => {
      const expected = await Expected.open(name);
      ids = await expected.ids();
      model = await loadVariant(name, 'vanilla', expected, {engine});
      await expected.close();
      reference = await SafetensorsFile.open(join(FIXTURES, 'masked-loss', `${name}.safetensors`));
      mask = await readMask(reference, ids);
    });
    afterAll(async () => {
      model.dispose();
      await reference.close();
    });

    it('is the mean over the targets that count, as Transformers has it for labels of -100', async () => {
      expectClose([await model.loss(ids, mask)], [Number(reference.metadata.loss)], 1e-5, 'loss');
      const rows = JSON.parse(reference.metadata.rows!) as number[];
      for (const row of [0, 1]) {
        expectClose([await model.loss([ids[row]!], [mask[row]!])], [rows[row]!], 1e-5, 'loss of row');
      }
    });

    it('has the gradients of Transformers', async () => {
      for (const [parameter, gradient] of await model.gradients(ids, mask)) {
        const wanted = await reference.readFloat32(sourceName(parameter, model));
        expectNormClose(gradient, wanted, 1e-4, 1e-6, parameter);
      }
    });

    it('adds up over micro-batches to that of the whole batch', () => {
      const targets = mask.flatMap((row) => row.slice(1)).filter((counts) => counts).length;
      const parts = ids.map((row, i) =>
        tf.tidy(() => {
          const input = tf.tensor2d([row], undefined, 'int32');
          const {loss} = model.lossGradients(input, {lossMask: [mask[i]!], targets});
          return loss.dataSync()[0]!;
        }),
      );
      expectClose(
        [parts.reduce((sum, part) => sum + part, 0)],
        [Number(reference.metadata.loss)],
        1e-5,
        'sum',
      );
    });

    it('is zero, with gradients of zero, where nothing counts', async () => {
      const nothing = mask.map((row) => row.map(() => false));
      expect(await model.loss(ids, nothing)).toBe(0);
      for (const gradient of (await model.gradients(ids, nothing)).values()) {
        expect(gradient.every((value) => value === 0)).toBe(true);
      }
    });

    it('refuses a mask of another shape', async () => {
      await expect(model.loss(ids, [mask[0]!])).rejects.toThrow(UsageError);
    });
  });
});

async function readMask(reference: SafetensorsFile, ids: number[][]): Promise<boolean[][]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of reference.chunks('labels')) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  let next = 0;
  return ids.map((row) => row.map(() => Number(bytes.readBigInt64LE(8 * next++)) !== IGNORED));
}
