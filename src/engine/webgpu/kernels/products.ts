import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {env, getKernel, registerKernel, unregisterKernel, type TensorInfo} from '@tensorflow/tfjs-core';
import type {Info} from './program.js';

/** Runs one of tfjs's own kernels, of those that give one tensor. */
export function tfjsKernel(
  backend: WebGPUBackend,
  name: string,
  inputs: Record<string, Info>,
  attrs: Record<string, unknown>,
): Info {
  const {kernelFunc} = getKernel(name, 'webgpu');
  return kernelFunc({inputs, attrs: attrs as never, backend}) as TensorInfo;
}

/** tfjs's choice of a program for a product: -1 its own, 2 the one for small outputs. */
const PROGRAM = 'WEBGPU_MATMUL_PROGRAM_TYPE';
const OWN_CHOICE = -1;
const SMALL_OUTPUT = 2;

/**
 * Whether tfjs would split the inner dimension of a product among workgroups, which add up with atomics: in any order,
 * so that the same product has other bits each time. The conditions are those of its `batchMatMulImpl`.
 */
function wouldSplit(
  {a, b}: {a: Info; b: Info},
  attrs: Record<string, unknown>,
  {thresholdToIncreaseWorkgroups}: WebGPUBackend,
) {
  const batch = Math.max(...[a, b].map(({shape}) => shape.slice(0, -2).reduce((n, size) => n * size, 1)));
  const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
  const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
  const [m, inner] = attrs.transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
  const n = attrs.transposeB ? rowsB : columnsB;
  const groups = Math.ceil(m / 32) * Math.ceil(n / 32);
  const few =
    groups <= thresholdToIncreaseWorkgroups || (m <= 8 && groups <= 2 * thresholdToIncreaseWorkgroups);
  return batch === 1 && few && m * n > 128 && inner >= 2000;
}

/** Keeps tfjs's products from giving other bits each time. */
export function makeProductsDeterministic(backendName: string): void {
  for (const name of ['BatchMatMul', '_FusedMatMul']) {
    const config = getKernel(name, backendName);
    unregisterKernel(name, backendName);
    registerKernel({
      ...config,
      kernelFunc: (call) => {
        const {a, b} = call.inputs as {a: Info; b: Info};
        if (!wouldSplit({a, b}, call.attrs as Record<string, unknown>, call.backend as WebGPUBackend))
          return config.kernelFunc(call);
        env().set(PROGRAM, SMALL_OUTPUT);
        try {
          return config.kernelFunc(call);
        } finally {
          env().set(PROGRAM, OWN_CHOICE);
        }
      },
    });
  }
}
