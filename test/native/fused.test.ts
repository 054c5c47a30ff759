import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {useEngine} from '../../src/index.js';
import {
  activation,
  causalAttention,
  causalMask,
  consecutiveRows,
  embedding,
  headCrossEntropy,
  layerNorm,
  linear,
  tokenScores,
  type ActivationName,
} from '../../src/ops/index.js';
import {expectClose} from '../helpers/close.js';
import {evaluate, expectAsComposed, values, type Op} from './compare.js';

const ACTIVATIONS: ActivationName[] = ['gelu_new', 'gelu', 'relu', 'silu'];

// Tensors are made before an engine is chosen for them.
beforeAll(async () => {
  await useEngine({engine: 'cpu'});
});

describe('a fused operation, value and gradients, is as its composed reference', () => {
  it.each(ACTIVATIONS)('activation %s', async (name) => {
    await expectAsComposed((x) => activation(x, name), [[3, 37]]);
  });

  it.each(ACTIVATIONS)('linear through %s', async (name) => {
    const op: Op = (x, w, b) => linear(x, w, b, 'io', name);
    await expectAsComposed(op, [[2, 5, 7], [7, 33], [33]]);
  });

  it('linear of weights the other way round, without a bias', async () => {
    await expectAsComposed(
      (x, w) => linear(x, w, null, 'oi'),
      [
        [1, 1, 65],
        [17, 65],
      ],
    );
  });

  it.each([1, 7, 192, 1000])('layer norm of %d columns', async (C) => {
    await expectAsComposed(
      (x, weight, bias) => layerNorm(x, {weight: weight, bias: bias}, 1e-5),
      [[3, 5, C], [C], [C]],
    );
    await expectAsComposed((x) => layerNorm(x, null, 1e-5), [[130, C]]);
  });

  describe.each([1, 7, 48, 129])('attention over %d tokens', (T) => {
    it.each([16, 64, 80])('of heads of %d', async (d) => {
      const [B, H] = [2, 3];
      const options = {heads: H, scale: 1 / Math.sqrt(d)};
      const shape = [B, T, H * d];
      const packed: Op = (qkv, zeroKey) =>
        causalAttention({qkv: qkv as tf.Tensor3D}, {...options, zeroKey, mask: causalMask(T, 1)});
      await expectAsComposed(packed, [
        [B, T, 3 * H * d],
        [H, d],
      ]);
      const apart: Op = (...tensors) => {
        const [q, k, v] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D];
        return causalAttention({q, k, v}, {...options, mask: causalMask(T, 0)});
      };
      await expectAsComposed(apart, [shape, shape, shape]);
    });
  });

  it.each([
    [1, 50257],
    [7, 131],
    [300, 17],
    // More rows than are computed at a time.
    [270, 20011],
  ])('the head over %d rows of a vocabulary of %d', async (N, V) => {
    const targets = tf.tensor1d(
      Array.from({length: N}, (_, i) => (i * 7919) % V),
      'int32',
    );
    const shares = Float32Array.from({length: N}, (_, i) => (i === 2 ? 0 : (i + 1) / N));
    const op: Op = (state, weight) =>
      headCrossEntropy(state as tf.Tensor2D, weight, targets, tf.tensor1d(shares));
    await expectAsComposed(op, [
      [N, 24],
      [V, 24],
    ]);
    targets.dispose();
  });

  it.each([
    [1, 1],
    [3, 50257],
    [40, 131],
  ])('scores of tokens, of %d rows of a vocabulary of %d', async (N, V) => {
    const logits = values(N * V, 3).map((value) => 20 * value - 100);
    // Two rows that are alike, one target twice, and a row with two largest logits.
    const rows = Int32Array.from({length: N + 1}, (_, i) => (i * 7) % N);
    const targets = rows.map((row) => (row * 7919) % V);
    if (V > 9) logits.fill(50, 4, 6);
    const run = async (engine: string) => {
      await useEngine({engine});
      const found = tf.tidy(() =>
        tokenScores(tf.tensor2d(logits, [N, V]), tf.tensor1d(targets, 'int32'), tf.tensor1d(rows, 'int32')),
      );
      const read = [await found.logProbabilities.data(), await found.best.data()] as const;
      tf.dispose([found.logProbabilities, found.best]);
      return read;
    };
    const [cpu, native] = [await run('cpu'), await run('native')];
    expectClose(native[0], cpu[0], 1e-4, 'log-probability');
    expect(native[1]).toEqual(cpu[1]);
  });

  it('embeddings whose rows come more than once', async () => {
    const ids = tf.tensor2d([3, 1, 3, 0, 3, 1], [2, 3], 'int32');
    await expectAsComposed((table) => embedding(table, ids), [[5, 19]]);
    await expectAsComposed((table) => consecutiveRows(table, 2, 3), [[7, 19]]);
    ids.dispose();
  });
});

describe('the same bits', () => {
  const [B, T, H, d] = [3, 50, 2, 20];
  const layer: Op = (x, wq, zeroKey, up, g) => {
    const qkv = linear(layerNorm(x as tf.Tensor3D, {weight: g, bias: g}, 1e-5), wq, null, 'io');
    const mixed = causalAttention({qkv}, {heads: H, scale: 0.2, zeroKey, mask: causalMask(x.shape[1]!, 1)});
    return linear(mixed, up, null, 'io', 'gelu_new');
  };
  const shapes = [[B, T, H * d], [H * d, 3 * H * d], [H, d], [H * d, 77], [H * d]];
  const inputs = shapes.map((shape, i) => ({
    shape,
    values: values(
      shape.reduce((n, s) => n * s, 1),
      i + 1,
    ),
  }));

  it('on 1, 2 and 3 threads, and every time', async () => {
    const [first, ...others] = [
      await evaluate({engine: 'native', threads: 1}, layer, inputs),
      await evaluate({engine: 'native', threads: 2}, layer, inputs),
      await evaluate({engine: 'native', threads: 3}, layer, inputs),
      await evaluate({engine: 'native', threads: 3}, layer, inputs),
    ];
    for (const other of others) expect(other).toEqual(first);
    expect(first.every((array) => array.some((value) => value !== 0))).toBe(true);
  });

  it('for a row alone, in company, and with padding after it', async () => {
    const engine = {engine: 'native', threads: 2};
    const [x, ...weights] = inputs as [(typeof inputs)[0], ...typeof inputs];
    const [together] = await evaluate(engine, layer, inputs);
    const width = together!.length / (B * T);
    for (const [row, tokens] of [
      [0, T],
      [2, T],
      [1, 31],
    ] as const) {
      const start = row * T * H * d;
      const alone = {shape: [1, tokens, H * d], values: x.values.slice(start, start + tokens * H * d)};
      const [value] = await evaluate(engine, layer, [alone, ...weights]);
      expect(value).toEqual(together!.slice(row * T * width, (row * T + tokens) * width));
    }
  });
});
