import {describe, expect, it} from 'vitest';
import {ENGINE_KERNELS} from '../../src/engine/index.js';
import {useEngine} from '../../src/index.js';
import {registeredKernels} from '../ops/as-composed.js';

const COMMON = [
  'ZttActivation',
  'ZttActivationGradient',
  'ZttAdamW',
  'ZttAppendRows',
  'ZttAttention',
  'ZttAttentionGradient',
  'ZttColumnSums',
  'ZttHeadLoss',
  'ZttLayerNorm',
  'ZttLayerNormGradient',
  'ZttLinear',
  'ZttStrandAttention',
  'ZttStrandValues',
  'ZttStrandWeights',
  'ZttSumSquares',
  'ZttTokenScores',
  'ZttZeroLogits',
  'ZttZeroLogitsGradient',
];

const NATIVE = [
  'ZttGated',
  'ZttGatedGradient',
  'ZttGroupedAttention',
  'ZttGroupedAttentionGradient',
  'ZttGroupedStrandAttention',
  'ZttGroupedStrandValues',
  'ZttGroupedStrandWeights',
  'ZttRmsNorm',
  'ZttRmsNormGradient',
  'ZttRotate',
];

describe("an engine's kernels", () => {
  it.each([
    ['native', [...COMMON, ...NATIVE].sort()],
    ['webgpu', COMMON],
    ['tensorflow', ['ZttAdamW', 'ZttHeadLoss']],
    ['wasm', []],
    ['cpu', []],
  ] as const)('are exactly these, of %s', (engine, kernels) => {
    expect([...ENGINE_KERNELS[engine]].sort()).toEqual(kernels);
  });

  // describeFusedOperations asserts the same of webgpu and tensorflow, where these engines run.
  it.each(['native', 'wasm', 'cpu'] as const)('are registered as declared, of %s', async (engine) => {
    await useEngine({engine});
    expect(registeredKernels()).toEqual([...ENGINE_KERNELS[engine]].sort());
  });
});
