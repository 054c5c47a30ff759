import * as tf from '@tensorflow/tfjs-core';

/** What an operation with its own gradient gives: its value, and the gradient of each input from dy. */
export interface OpResult {
  value: tf.Tensor;
  /** The tensors that the gradient needs; kept until the backward pass. */
  saved: tf.Tensor[];
  /** One gradient an input, in order. */
  gradient: (dy: tf.Tensor, saved: tf.Tensor[]) => tf.Tensor[];
}

/** Runs an operation whose gradient is written by hand: a typed seam to tfjs's `customGrad`. */
export function customOp(inputs: tf.Tensor[], op: (...inputs: tf.Tensor[]) => OpResult): tf.Tensor {
  const run = tf.customGrad((...args) => {
    const save = args.pop() as tf.GradSaveFunc;
    const {value, saved, gradient} = op(...(args as tf.Tensor[]));
    save(saved);
    return {value, gradFunc: (dy, kept) => gradient(dy, kept)};
  });
  return run(...inputs);
}
