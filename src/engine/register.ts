import {registerKernel} from '@tensorflow/tfjs-core';
import type {KernelName, KernelTable} from './contract.js';

/** A kernel as tfjs calls it. */
type AnyKernel = (inputs: object, attributes: object, backend: unknown) => never[];

/** Registers kernels of the contract for a backend, by tfjs's name for the backend. */
export function registerKernels<Names extends KernelName, T, Backend>(
  backendName: string,
  kernels: KernelTable<Names, T, Backend>,
): void {
  for (const [kernelName, kernel] of Object.entries<AnyKernel>(kernels as Record<string, AnyKernel>)) {
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({inputs, attrs, backend}) => kernel(inputs, attrs ?? {}, backend),
    });
  }
}

/** A kernel's outputs without those that there are not: tfjs takes no gap, so that only the last ones may be missing. */
export function present<Outputs extends readonly unknown[]>(...outputs: Outputs): Outputs {
  return outputs.filter((output) => output !== undefined) as unknown as Outputs;
}
