import * as tf from '@tensorflow/tfjs-core';
import {gradientsWanted} from './fused.js';

/** What an operation with its own gradient gives: its value, and the gradient of each input from dy. */
export interface OpResult {
  value: tf.Tensor;
  /** The tensors that the gradient needs; kept until the backward pass. */
  saved: tf.Tensor[];
  /** One gradient an input, in order; null for an input that is frozen. */
  gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => (tf.Tensor | null)[];
}

/** Whether an input is a parameter that is not trained: nobody asks for its gradient, so that it need not be computed. */
export const isFrozen = (input: tf.Tensor | null | undefined): boolean =>
  input instanceof tf.Variable && !input.trainable;

/**
 * Runs an operation whose gradient is written by hand: a typed seam to tfjs's `customGrad`. Once its gradient is
 * computed, dy and what was saved are let go: tfjs's tape would hold both, of every operation, until the whole
 * backward pass is over.
 */
export function customOp(inputs: tf.Tensor[], op: (...inputs: tf.Tensor[]) => OpResult): tf.Tensor {
  // Where there is no tape, an operation costs a fifth of what tfjs's way around it does.
  if (!gradientsWanted()) return tf.tidy(() => op(...inputs).value);
  const run = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const {value, saved, gradient} = op(...(args as tf.Tensor[]));
    save(saved);
    return {
      value,
      gradFunc: (dy, kept) => {
        const gradients = tf.tidy(() => {
          const found = gradient(dy, kept);
          // tfjs wants a tensor for each input, and looks at those that are asked for only.
          const some = found.find((tensor) => tensor !== null)!;
          return found.map((tensor) => tensor ?? some);
        });
        tf.dispose([dy, ...kept].filter((tensor) => !gradients.includes(tensor)));
        return gradients;
      },
    };
  });
  return run(...inputs);
}

/** A value that is computed without a tape: no gradient flows through it, and nothing is kept for one. */
export function withoutGradient<T extends tf.Tensor>(compute: () => T): T {
  return customOp([], () => ({value: compute(), saved: [], gradient: () => []})) as T;
}
