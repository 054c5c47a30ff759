import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, it} from 'vitest';
import {STARTERS} from '../../../src/engine/engines.js';
import {registerFusedKernels} from '../../../src/engine/webgpu/kernels/index.js';
import {findAdapter, openBackend} from '../../../src/engine/webgpu/start.js';
import {useEngine} from '../../../src/index.js';
import {causalAttention, causalMask, layerNorm} from '../../../src/ops/index.js';
import {expectAsComposed, type Op} from '../../ops/op-on-engine.js';
import {expectAdamWAsComposed, expectHeadAsComposed, expectStrandsAsComposed} from '../../ops/as-composed.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../../helpers/swiftshader.js';

const ENGINE = {engine: 'webgpu'};

describe.runIf(hasSwiftShader)(
  `kernels on a device that has no more than WebGPU promises, on SwiftShader${WITHOUT_SWIFTSHADER}`,
  () => {
    beforeAll(async () => {
      useSwiftShader();
      STARTERS.webgpu = async () => {
        const chosen = await findAdapter();
        const {adapter} = chosen;
        const least = {limits: {}, info: adapter.info, requestDevice: () => adapter.requestDevice()};
        const backend = await openBackend({...chosen, adapter: least as unknown as typeof adapter});
        tf.registerBackend('webgpu', () => backend);
        registerFusedKernels('webgpu');
        return {name: 'webgpu', backend: 'webgpu', device: 'least', version: '', threads: 1, hardware: 'cpu'};
      };
      await useEngine({engine: 'cpu'});
    });

    // Tiles of 16, and of 8, have room where larger ones have not. With a zero key and q, k and v of their own, the
    // gradient needs the most buffers.
    it.each([
      [64, 70],
      [128, 40],
    ])('attention over heads of %d', async (d, T) => {
      const op: Op = (...tensors) => {
        const [q, k, v, zeroKey] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor2D];
        return causalAttention(
          {q, k, v},
          {heads: 2, scale: 0.1, zero: {key: zeroKey}, mask: causalMask(T, 1)},
        );
      };
      const shape = [1, T, 2 * d];
      await expectAsComposed(ENGINE, op, [shape, shape, shape, [2, d]]);
    });

    it('attention over strands', () => expectStrandsAsComposed(ENGINE, 128));

    it('layer norm, the LM head and AdamW', async () => {
      await expectAsComposed(ENGINE, (x, w, b) => layerNorm(x, {weight: w, bias: b}, 1e-5), [
        [90, 70],
        [70],
        [70],
      ]);
      await expectHeadAsComposed(ENGINE, 7, 131);
      await expectAdamWAsComposed(ENGINE);
    });
  },
);
