import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';

// Shapes: B batch, T tokens, N rows, H heads, d head size, r the dimensions of a head that are rotated.

/** The cosines and sines of the angles of T places, [T, r / 2] each. */
export type RotationTable = {
  cos: tf.Tensor2D;
  sin: tf.Tensor2D;
};

/**
 * Rotary position embedding (Su et al., arXiv 2104.09864): in each head, dimensions i and i + r / 2 turn against each
 * other by the angle of the row's place; what is beyond r stays.
 * @param x - [B, T, H d], or rows [T, H d]
 * @param table - of the T places
 */
export function rotate<X extends tf.Tensor>(x: X, {cos, sin}: RotationTable, headSize: number): X {
  const turn = hasKernel('ZttRotate') ? fused : composed;
  return customOp([x], (x) => ({
    value: turn(x, cos, sin, headSize, false),
    saved: [cos, sin],
    gradient: (dy, [cos, sin]) => [turn(dy, cos as tf.Tensor2D, sin as tf.Tensor2D, headSize, true)],
  })) as X;
}

type Turn = (x: tf.Tensor, cos: tf.Tensor2D, sin: tf.Tensor2D, headSize: number, back: boolean) => tf.Tensor;

const fused: Turn = (x, cos, sin, headSize, back) =>
  runKernel('ZttRotate', {x, cos, sin}, {headSize, back})[0];

const composed: Turn = (x, cos, sin, headSize, back) => turned(x, cos, back ? tf.neg(sin) : sin, headSize);

function turned(x: tf.Tensor, cos: tf.Tensor2D, sin: tf.Tensor2D, d: number): tf.Tensor {
  const [T, half] = cos.shape;
  const heads = x.shape.at(-1)! / d;
  const perHead: tf.Tensor4D = tf.reshape(x, [-1, T, heads, d]);
  const part = (from: number, count: number) => tf.slice(perHead, [0, 0, 0, from], [-1, -1, -1, count]);
  const [first, second] = [part(0, half), part(half, half)];
  const [c, s] = [cos, sin].map((table) => tf.reshape(table, [1, T, 1, half])) as [tf.Tensor, tf.Tensor];
  const parts = [
    tf.sub(tf.mul(first, c), tf.mul(second, s)),
    tf.add(tf.mul(second, c), tf.mul(first, s)),
    ...(2 * half < d ? [part(2 * half, d - 2 * half)] : []),
  ];
  return tf.reshape(tf.concat(parts, -1), x.shape);
}
