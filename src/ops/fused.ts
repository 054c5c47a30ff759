import * as tf from '@tensorflow/tfjs-core';

/**
 * Operations that an engine may have as one kernel, under these names. Each has a composed reference here, which runs
 * where there is none, and which the kernel is tested against.
 */
export type FusedKernel =
  | 'ZttLinear'
  | 'ZttActivation'
  | 'ZttActivationGradient'
  | 'ZttColumnSums'
  | 'ZttLayerNorm'
  | 'ZttLayerNormGradient'
  | 'ZttAttention'
  | 'ZttAttentionGradient'
  | 'ZttStrandAttention'
  | 'ZttStrandWeights'
  | 'ZttStrandValues'
  | 'ZttAppendRows'
  | 'ZttHeadLoss'
  | 'ZttTokenScores'
  | 'ZttSumSquares'
  | 'ZttAdamW';

/** Whether the engine in use has this kernel. */
export function hasKernel(name: FusedKernel): boolean {
  return (tf.getKernel(name, tf.getBackend()) as tf.KernelConfig | undefined) !== undefined;
}

/** Runs it, on the inputs that there are. */
export function runFused(
  name: FusedKernel,
  inputs: Record<string, tf.Tensor | undefined>,
  attributes: Record<string, number | boolean | string | null | Int32Array> = {},
): tf.Tensor[] {
  const given = Object.entries(inputs).filter(
    (entry): entry is [string, tf.Tensor] => entry[1] !== undefined,
  );
  const outputs = tf
    .engine()
    .runKernel<tf.Tensor | tf.Tensor[]>(
      name,
      Object.fromEntries(given),
      attributes as unknown as tf.NamedAttrMap,
    );
  return Array.isArray(outputs) ? outputs : [outputs];
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
