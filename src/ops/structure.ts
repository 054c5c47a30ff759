import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';

/**
 * The gradient of `tf.split`, the only kernel with many outputs here. tfjs-core's npm package cannot load its own
 * gradients under Node (ES modules without file extensions); every other operation that needs one is a `customOp`.
 */
tf.registerGradient({
  kernelName: 'SplitV',
  gradFunc: (dys, _saved, attrs) => {
    const {axis} = attrs as unknown as {axis: number};
    return {x: () => tf.concat(dys as tf.Tensor[], axis)};
  },
});

/** a + b, where b may lack leading axes of a: it is then added to each. */
export function add<T extends tf.Tensor>(a: T, b: tf.Tensor): T {
  const shape = b.shape;
  return customOp([a, b], (a, b) => ({
    value: tf.add(a, b),
    saved: [],
    gradient: (dy) => [tf.clone(dy), sumToShape(dy, shape)],
  })) as T;
}

/** a b, elementwise, of one shape. */
export function multiply<T extends tf.Tensor>(a: T, b: T): T {
  return customOp([a, b], (a, b) => ({
    value: tf.mul(a, b),
    saved: [a, b],
    gradient: (dy, [a, b]) => [tf.mul(dy, b!), tf.mul(dy, a!)],
  })) as T;
}

/** A scalar whose gradient by x is dx: where a backward pass goes on from one that was computed before. */
export function withGradient(x: tf.Tensor, dx: tf.Tensor): tf.Scalar {
  return customOp([x], () => ({
    value: tf.scalar(0),
    saved: [dx],
    gradient: (dy, [dx]) => [tf.mul(dx!, dy)],
  })) as tf.Scalar;
}

/** The same values in another shape. */
export function reshape<T extends tf.Tensor>(x: tf.Tensor, shape: number[]): T {
  const before = x.shape;
  return customOp([x], (x) => ({
    value: tf.reshape(x, shape),
    saved: [],
    gradient: (dy) => [tf.reshape(dy, before)],
  })) as T;
}

/** Axes in another order: axis i of the result is axis `order[i]` of x. */
function transpose<T extends tf.Tensor>(x: tf.Tensor, order: number[]): T {
  const inverse = order.map((_, axis) => order.indexOf(axis));
  return customOp([x], (x) => ({
    value: tf.transpose(x, order),
    saved: [],
    gradient: (dy) => [tf.transpose(dy, inverse)],
  })) as T;
}

/** The gradient of a broadcast over leading axes: summed over them. */
function sumToShape(grad: tf.Tensor, shape: number[]): tf.Tensor {
  if (grad.rank === shape.length) return tf.clone(grad);
  const leading = grad.shape.slice(0, grad.rank - shape.length).reduce((n, size) => n * size, 1);
  return tf.reshape(sumRows(tf.reshape(grad, [leading, -1])), shape);
}

/** Column sums of x [N, C], as [C]: a product with ones, many times faster than a reduction on CPU backends. */
export function sumRows(x: tf.Tensor): tf.Tensor1D {
  if (hasKernel('ZttColumnSums')) return runKernel('ZttColumnSums', {x}, {})[0] as tf.Tensor1D;
  return tf.tidy(() => tf.reshape(tf.matMul(tf.ones([1, x.shape[0]]), x as tf.Tensor2D), [x.shape[1]!]));
}

/** [B, T, D] to [B, H, T, D/H]. */
export function splitHeads(x: tf.Tensor3D, heads: number): tf.Tensor4D {
  const [B, T, D] = x.shape;
  return transpose(reshape(x, [B, T, heads, D / heads]), [0, 2, 1, 3]);
}

/** [B, H, T, d] to [B, T, H d]. */
export function mergeHeads(x: tf.Tensor4D): tf.Tensor3D {
  const [B, H, T, d] = x.shape;
  return reshape(transpose(x, [0, 2, 1, 3]), [B, T, H * d]);
}
