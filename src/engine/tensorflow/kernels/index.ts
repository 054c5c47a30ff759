import type {TensorInfo} from '@tensorflow/tfjs-core';
import type {KernelsOf, KernelTable} from '../../contract.js';
import {registerKernels} from '../../register.js';
import type {TensorflowBackend} from '../backend.js';
import {AdamWKernel} from './adamw.js';
import {headLoss} from './head-loss.js';

/** Registers the kernels of the contract that TensorFlow has kernels for. */
export function registerFusedKernels(backend: TensorflowBackend): void {
  let adamW: AdamWKernel | undefined;
  const kernels: KernelTable<KernelsOf<'tensorflow'>, TensorInfo, unknown> = {
    ZttHeadLoss: (inputs, attributes) => headLoss(inputs, attributes, backend),
    ZttAdamW: (inputs, attributes) => {
      adamW ??= new AdamWKernel(backend);
      adamW.update(inputs, attributes);
      return [];
    },
  };
  registerKernels('tensorflow', kernels);
}
