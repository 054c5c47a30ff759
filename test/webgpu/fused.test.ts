import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import * as tf from '@tensorflow/tfjs-core';
import {afterEach, beforeAll, describe, expect, it} from 'vitest';
import {useEngine} from '../../src/index.js';
import {activation, layerNorm} from '../../src/ops/index.js';
import {expectAsComposed} from '../helpers/compare.js';
import {
  describeFusedOperations,
  expectAdamWAsComposed,
  expectHeadAsComposed,
} from '../helpers/fused-cases.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../helpers/swiftshader.js';

describe.skipIf(!hasSwiftShader)(`on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  const errors: string[] = [];

  beforeAll(async () => {
    useSwiftShader();
    await useEngine({engine: 'webgpu'});
    const {device} = tf.backend() as WebGPUBackend;
    device.addEventListener('uncapturederror', ({error}) => errors.push(error.message));
    // Tensors are made before an engine is chosen for them.
    await useEngine({engine: 'cpu'});
  });

  // A shader that does not compile leaves its outputs as they are.
  afterEach(() => expect(errors.splice(0)).toEqual([]));

  describeFusedOperations({engine: 'webgpu'});

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
