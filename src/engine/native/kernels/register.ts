import * as tf from '@tensorflow/tfjs-core';
import type {Kernel as ContractKernel, KernelName} from '../../contract.js';
import type {NativeBackend} from '../backend.js';

/** The tfjs backend's name. No underscore: tfjs could not find its kernels. */
export const BACKEND = 'native';

export type Info = tf.TensorInfo;
export type Attributes = Record<string, unknown>;

/** A kernel of the contract. */
export type FusedKernel<N extends KernelName> = ContractKernel<N, Info, NativeBackend>;

/**
 * A kernel of tfjs's: its result, or null for inputs that it leaves to tfjs's own CPU kernel of the same name (other dtypes,
 * shapes that our models do not have).
 */
export type Kernel = (
  inputs: Record<string, Info>,
  attributes: Attributes,
  backend: NativeBackend,
) => Info | Info[] | null;

/** Registers every CPU kernel under our backend's name, for what has no kernel of its own. */
export function inheritKernels(): void {
  for (const config of tf.getKernelsForBackend('cpu')) {
    tf.registerKernel({...config, backendName: BACKEND});
  }
}

/** Registers kernels by name, in place of the inherited ones. */
export function overrideKernels(kernels: Record<string, Kernel>): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    const inherited = (tf.getKernel(kernelName, BACKEND) as tf.KernelConfig | undefined)?.kernelFunc;
    if (inherited) tf.unregisterKernel(kernelName, BACKEND);
    tf.registerKernel({
      kernelName,
      backendName: BACKEND,
      kernelFunc: (call) => {
        const result = kernel(
          call.inputs as Record<string, Info>,
          call.attrs as Attributes,
          call.backend as NativeBackend,
        );
        if (result) return result;
        if (!inherited) throw new TypeError(`${kernelName} does not take these inputs.`);
        return inherited(call);
      },
    });
  }
}

/** Whether all are float32. */
export const allFloat = (...tensors: (Info | undefined)[]): boolean =>
  tensors.every((tensor) => tensor === undefined || tensor.dtype === 'float32');
