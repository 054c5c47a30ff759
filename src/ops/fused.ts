import * as tf from '@tensorflow/tfjs-core';
import type {KernelName, Kernels} from '../engine/index.js';

/**
 * Whether the engine in use has this kernel of the contract. Each operation has a composed reference in this folder,
 * which runs where there is none, and which the kernel is tested against.
 */
export function hasKernel(name: KernelName): boolean {
  return (tf.getKernel(name, tf.getBackend()) as tf.KernelConfig | undefined) !== undefined;
}

/** Runs a kernel that the engine in use has. @returns its outputs in order */
export function runKernel<N extends KernelName>(
  name: N,
  inputs: Kernels<tf.Tensor>[N]['inputs'],
  attributes: Kernels<tf.Tensor>[N]['attributes'],
): Kernels<tf.Tensor>[N]['outputs'] {
  const given = Object.entries<tf.Tensor | undefined>(inputs).filter(
    (entry): entry is [string, tf.Tensor] => entry[1] !== undefined,
  );
  return tf
    .engine()
    .runKernel<tf.Tensor[]>(name, Object.fromEntries(given), attributes as unknown as tf.NamedAttrMap);
}

/** Whether gradients of what runs now may be asked for: then an operation keeps what they need. */
export const gradientsWanted = (): boolean => tf.engine().isTapeOn();

/** A scalar's value, or null where it is on a GPU, which would have to be waited for: dataSync is a TypeError there. */
export function knownValue(scalar: tf.Tensor): number | null {
  try {
    return scalar.dataSync()[0]!;
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
