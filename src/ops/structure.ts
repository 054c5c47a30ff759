import * as tf from '@tensorflow/tfjs-core';
import {hasKernel, runFused} from './fused.js';

/**
 * Gradients of the few structural kernels that stand between our own operations. tfjs-core's npm package
 * cannot load its gradients under Node (ES modules without file extensions), and every other operation here
 * brings its own; so these are registered through its public API.
 */
tf.registerGradient({
  kernelName: 'Add',
  inputsToSave: ['a', 'b'],
  gradFunc: (dy, saved) => {
    const [a, b] = saved as [tf.Tensor, tf.Tensor];
    const grad = dy as tf.Tensor;
    return {a: () => sumToShape(grad, a.shape), b: () => sumToShape(grad, b.shape)};
  },
});

tf.registerGradient({
  kernelName: 'Reshape',
  inputsToSave: ['x'],
  gradFunc: (dy, saved) => {
    const [x] = saved as [tf.Tensor];
    return {x: () => tf.reshape(dy as tf.Tensor, x.shape)};
  },
});

tf.registerGradient({
  kernelName: 'Transpose',
  gradFunc: (dy, _saved, attrs) => {
    const {perm} = attrs as unknown as {perm: number[]};
    const inverse = perm.map((_, axis) => perm.indexOf(axis));
    return {x: () => tf.transpose(dy as tf.Tensor, inverse)};
  },
});

tf.registerGradient({
  kernelName: 'SplitV',
  gradFunc: (dys, _saved, attrs) => {
    const {axis} = attrs as unknown as {axis: number};
    return {x: () => tf.concat(dys as tf.Tensor[], axis)};
  },
});

/** The gradient of a broadcast over leading axes: summed over them. */
function sumToShape(grad: tf.Tensor, shape: number[]): tf.Tensor {
  if (grad.rank === shape.length) return tf.clone(grad);
  const leading = grad.shape.slice(0, grad.rank - shape.length).reduce((n, size) => n * size, 1);
  return tf.reshape(sumRows(tf.reshape(grad, [leading, -1])), shape);
}

/** Column sums of x [N, C], as [C]: a product with ones, many times faster than a reduction on CPU backends. */
export function sumRows(x: tf.Tensor): tf.Tensor1D {
  if (hasKernel('ZttColumnSums')) return runFused('ZttColumnSums', {x})[0] as tf.Tensor1D;
  return tf.tidy(() => tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x as tf.Tensor2D), [x.shape[1]!]));
}

/** [B, T, D] to [B, H, T, D/H]. */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [B, T, D] = x.shape;
  return tf.transpose(tf.reshape(x, [B, T, heads, D / heads]), [0, 2, 1, 3]);
}

/** [B, H, T, d] to [B, T, H d]. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [B, H, T, d] = x.shape;
  return tf.reshape(tf.transpose(x, [0, 2, 1, 3]), [B, T, H * d]);
}

/** The rows of x [B, ...] at these indices: copies of whole rows, which a gather does element by element. */
export function takeRows<T extends tf.Tensor>(x: T, rows: readonly number[]): T {
  const rest = x.shape.slice(1);
  return tf.tidy(() =>
    tf.concat(
      rows.map((row) => tf.slice(x, [row, ...rest.map(() => 0)], [1, ...rest])),
      0,
    ),
  );
}
