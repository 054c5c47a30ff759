import * as tf from '@tensorflow/tfjs-core';
import type {Tensor, Tensor3D} from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {useEngine} from '../../../src/index.js';
import {
  causalAttention,
  causalMask,
  gated,
  groupedAttention,
  layerNorm,
  linear,
  rmsNorm,
  rotate,
  zeroLogits,
} from '../../../src/ops/index.js';
import {evaluate, values, type Op} from '../../ops/op-on-engine.js';
import {describeFusedOperations} from '../../ops/as-composed.js';

// Tensors are made before an engine is chosen for them.
beforeAll(async () => {
  await useEngine({engine: 'cpu'});
});

describeFusedOperations({engine: 'native', threads: 2});

describe('the same bits', () => {
  const [B, T, H, d] = [3, 50, 2, 20];
  const layer: Op = (x, wq, zeroKey, up, g) => {
    const qkv = linear(layerNorm(x as Tensor3D, {weight: g, bias: g}, 1e-5), wq, null, 'io');
    const mixed = causalAttention(
      {qkv},
      {heads: H, scale: 0.2, zero: {key: zeroKey}, mask: causalMask(x.shape[1]!, 1)},
    );
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

  it('on 1, 2 and 3 threads, of heads that share keys', async () => {
    const [H, G, T] = [4, 2, 61];
    const grouped: Op = (...tensors) => {
      const [x, weight, wq, wk, key, up] = tensors as [Tensor3D, ...Tensor[]];
      const normed = rmsNorm(x, weight!, 1e-5);
      const places = {cos: tf.ones<tf.Rank.R2>([T, 4]), sin: tf.zeros<tf.Rank.R2>([T, 4])};
      const [q, k] = [linear(normed, wq!, null, 'io'), linear(normed, wk!, null, 'io')];
      const options = {heads: H, kvHeads: G, window: 40, scale: 0.3, mask: causalMask(T, 0, 40)};
      const logits = zeroLogits(q, key!, 0.3);
      const mixed = groupedAttention({q: rotate(q, places, d), k, v: k}, {...options, zeroLogits: logits});
      return gated(mixed, linear(mixed, up!, null, 'io'), 'silu');
    };
    const given = [[B, T, 24], [24], [24, H * d], [24, G * d], [H, d], [H * d, H * d]].map((shape, i) => ({
      shape,
      values: values(
        shape.reduce((n, s) => n * s, 1),
        i + 1,
      ),
    }));
    const [first, ...others] = [
      await evaluate({engine: 'native', threads: 1}, grouped, given),
      await evaluate({engine: 'native', threads: 2}, grouped, given),
      await evaluate({engine: 'native', threads: 3}, grouped, given),
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
