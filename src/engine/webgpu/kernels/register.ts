import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {registerKernel} from '@tensorflow/tfjs-core';
import type {Info} from './program.js';

export type Attributes = Record<string, unknown>;

/** A fused kernel: its inputs, attributes and results are those that the native engine's has. */
export type Kernel = (
  inputs: Record<string, Info>,
  attributes: Attributes,
  backend: WebGPUBackend,
) => Info | Info[];

/** Registers kernels with tfjs by name. */
export function register(kernels: Record<string, Kernel>, backendName: string): void {
  for (const [kernelName, kernel] of Object.entries(kernels)) {
    registerKernel({
      kernelName,
      backendName,
      kernelFunc: ({inputs, attrs, backend}) =>
        kernel(inputs as Record<string, Info>, attrs as Attributes, backend as WebGPUBackend),
    });
  }
}
