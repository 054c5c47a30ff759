import * as tf from '@tensorflow/tfjs-core';

/** Adds gradients to the sums by name, and disposes of what went into a sum. */
export function addGradients(
  sums: Map<string, tf.Tensor>,
  gradients: Iterable<readonly [string, tf.Tensor]>,
): void {
  for (const [name, gradient] of gradients) {
    const sum = sums.get(name);
    sums.set(name, sum ? tf.add(sum, gradient) : gradient);
    if (sum) tf.dispose([sum, gradient]);
  }
}
