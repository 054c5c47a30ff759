import * as tf from '@tensorflow/tfjs-core';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeAll, expect, it} from 'vitest';
import {useEngine} from '../../src/index.js';
import {dropout} from '../../src/ops/index.js';

beforeAll(async () => {
  await useEngine({engine: 'wasm'});
});

it('zeroes about the share it should, scales the rest, and passes the gradient through the same mask', async () => {
  const x = tf.ones([100, 100]);
  const [y, gradient] = tf.tidy(() => {
    const value = dropout(x, 0.25, xoroshiro128plus(1));
    const grad = tf.grad((input) => dropout(input, 0.25, xoroshiro128plus(1)))(x);
    return [value, grad] as const;
  });
  const values = [...(await y.data())];
  const zeros = values.filter((value) => value === 0).length;
  expect(zeros / values.length).toBeGreaterThan(0.23);
  expect(zeros / values.length).toBeLessThan(0.27);
  expect(new Set(values)).toEqual(new Set([0, Math.fround(1 / 0.75)]));
  expect([...(await gradient.data())]).toEqual(values);
});
