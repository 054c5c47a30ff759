import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {useEngine} from '../../src/index.js';
import {activation, layerNorm} from '../../src/ops/index.js';
import {expectAsComposed} from '../helpers/compare.js';
import {
  FUSED_CASES,
  describeFusedOperations,
  expectAdamWAsComposed,
  expectHeadAsComposed,
  type FusedCases,
} from '../helpers/fused-cases.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../helpers/swiftshader.js';

/** A program that plays a GPU takes minutes for all cases; this is for them. */
const EVERY_CASE = process.env.ZTT_TEST_WEBGPU_ALL === '1';

/** A size of tiles each: they take seconds to compile. */
const FEW_CASES: FusedCases = {
  attention: [
    [1, 64],
    [7, 5],
    [48, 80],
    [129, 16],
  ],
  strands: [20],
  head: [
    [1, 50257],
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

  describeFusedOperations({engine: 'webgpu'}, EVERY_CASE ? FUSED_CASES : FEW_CASES);

  it('goes over in parts what a GPU does not bind at once', async () => {
    await useEngine({engine: 'webgpu'});
    const {device} = tf.backend() as WebGPUBackend;
    const {maxComputeWorkgroupsPerDimension} = device.limits;
    const little = {maxStorageBufferBindingSize: 1 << 16, maxComputeWorkgroupsPerDimension};
    Object.defineProperty(device, 'limits', {value: little, configurable: true});
    try {
      await expectAdamWAsComposed({engine: 'webgpu'});
      await expectHeadAsComposed({engine: 'webgpu'}, 150, 131);
      await expectAsComposed({engine: 'webgpu'}, (x) => activation(x, 'silu'), [[130, 131]]);
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
