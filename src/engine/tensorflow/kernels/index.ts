import {registerKernel, type NamedTensorInfoMap, type TensorInfo} from '@tensorflow/tfjs-core';
import type {TensorflowBackend} from '../backend.js';
import {AdamWKernel, type AdamWInputs, type AdamWNumbers} from './adamw.js';
import {headLoss, type HeadGradients, type HeadInputs} from './head-loss.js';

/**
 * Registers the fused operations of src/ops that TensorFlow has kernels for; all others run composed. Inputs are
 * tensors, as tfjs hands them to every kernel.
 */
export function registerFusedKernels(backend: TensorflowBackend): void {
  let adamW: AdamWKernel | undefined;
  const kernels: Record<string, (inputs: NamedTensorInfoMap, attributes: unknown) => TensorInfo[]> = {
    ZttHeadLoss: (inputs, attributes) =>
      headLoss(inputs as unknown as HeadInputs, attributes as HeadGradients, backend),
    ZttAdamW: (inputs, attributes) => {
      adamW ??= new AdamWKernel(backend);
      adamW.update(inputs as unknown as AdamWInputs, attributes as AdamWNumbers);
      return [];
    },
  };
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    registerKernel({
      kernelName,
      backendName: 'tensorflow',
      kernelFunc: ({inputs, attrs}) => kernel(inputs, attrs),
    });
  }
}
