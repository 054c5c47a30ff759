import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {useEngine} from '../../../src/index.js';
import {
  activation,
  causalAttention,
  causalMask,
  embedding,
  layerNorm,
  linear,
  reshape,
} from '../../../src/ops/index.js';
import {evaluate, expectAsComposed, values, type Op} from '../../ops/op-on-engine.js';
import {
  FUSED_CASES,
  describeFusedOperations,
  expectAdamWAsComposed,
  expectHeadAsComposed,
  type FusedCases,
} from '../../ops/as-composed.js';
import {FULL} from '../../helpers/matrix.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../../helpers/swiftshader.js';

/** Two sizes of tiles, which take seconds to compile: a program that plays a GPU takes minutes for all cases. */
const FEW_CASES: FusedCases = {
  attention: [
    [7, 5],
    [40, 36],
  ],
  strands: [20],
  head: [
    [7, 131],
    [300, 17],
  ],
};

describe.skipIf(!hasSwiftShader)(`on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  beforeAll(async () => {
    useSwiftShader();
    // Tensors are made before an engine is chosen for them.
    await useEngine({engine: 'cpu'});
  });

  describeFusedOperations({engine: 'webgpu'}, FULL ? FUSED_CASES : FEW_CASES);

  it('gives the same bits every time', async () => {
    const [T, H, d] = [40, 2, 20];
    const ids = tf.tensor2d(
      Array.from({length: 2 * T}, (_, i) => (i * i) % 7),
      [2, T],
      'int32',
    );
    // The last product's inner dimension is one that tfjs would split.
    const layer: Op = (table, weight, zeroKey, down) => {
      const qkv = linear(layerNorm(embedding(table, ids), null, 1e-5), weight, null, 'io', 'gelu');
      const mixed = causalAttention(
        {qkv},
        {heads: H, scale: 0.2, zero: {key: zeroKey}, mask: causalMask(T, 1)},
      );
      return linear(reshape(mixed, [1, -1]), down, null, 'io');
    };
    const shapes = [
      [7, 30],
      [30, 3 * H * d],
      [H, d],
      [2 * T * H * d, 150],
    ];
    const inputs = shapes.map((shape, i) => ({
      shape,
      values: values(
        shape.reduce((n, size) => n * size, 1),
        i + 1,
      ),
    }));
    const [first, ...others] = [
      await evaluate({engine: 'webgpu'}, layer, inputs),
      await evaluate({engine: 'webgpu'}, layer, inputs),
      await evaluate({engine: 'webgpu'}, layer, inputs),
    ];
    for (const other of others) expect(other).toEqual(first);
    expect(first.every((array) => array.some((value) => value !== 0))).toBe(true);
    ids.dispose();
  });

  it('goes over in parts what a GPU does not bind at once, and in rows what it does not count', async () => {
    await useEngine({engine: 'webgpu'});
    const {device} = tf.backend() as WebGPUBackend;
    const little = {maxStorageBufferBindingSize: 1 << 16, maxComputeWorkgroupsPerDimension: 50};
    Object.defineProperty(device, 'limits', {value: little, configurable: true});
    try {
      await expectAdamWAsComposed({engine: 'webgpu'});
      await expectHeadAsComposed({engine: 'webgpu'}, 150, 131);
      await expectAsComposed({engine: 'webgpu'}, (x) => activation(x, 'silu'), [[130, 131]]);
      await expectAsComposed({engine: 'webgpu'}, (x) => layerNorm(x, null, 1e-5), [[130, 61]]);
      await useEngine({engine: 'webgpu'});
      const x = tf.zeros([130, 131]);
      const tooLarge = () => layerNorm(x, null, 1e-5);
      expect(tooLarge).toThrow(/layer norm needs \[130,131\] at once, 68120 bytes, and this GPU binds 65536/);
      x.dispose();
    } finally {
      Reflect.deleteProperty(device, 'limits');
    }
  });
});
