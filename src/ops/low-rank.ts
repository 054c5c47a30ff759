import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';
import {reshape} from './structure.js';

// Shapes: N rows, I inputs, O outputs, R rank.

/** What a linear map gains by LoRA: scale (x A^T) B^T. */
export interface LowRank {
  /** [R, I] */
  a: tf.Tensor;
  /** [O, R] */
  b: tf.Tensor;
  scale: number;
}

/**
 * y + scale (x A^T) B^T over the last axis: the matrix B A is never made.
 * @param y - [..., O]
 * @param x - [..., I]
 * @returns [..., O]
 */
export function addLowRank<T extends tf.Tensor>(y: T, x: tf.Tensor, {a, b, scale}: LowRank): T {
  const rows = (tensor: tf.Tensor) => reshape<tf.Tensor2D>(tensor, [-1, tensor.shape.at(-1)!]);
  const sum = customOp([rows(y), rows(x), a, b], (y, x, a, b) => {
    const inner = tf.mul(tf.matMul(x, a, false, true), scale);
    const frozen = isFrozen(a) && isFrozen(b);
    return {
      value: tf.add(y, tf.matMul(inner, b, false, true)),
      saved: frozen ? [a, b] : [a, b, inner, x],
      gradient: (dy, [a, b, inner, x]) => {
        const dInner = tf.mul(tf.matMul(dy, b!), scale);
        const dx = tf.matMul(dInner, a!);
        if (!inner || !x) return [tf.clone(dy), dx, null, null];
        return [tf.clone(dy), dx, tf.matMul(dInner, x, true), tf.matMul(dy, inner, true)];
      },
    };
  });
  return reshape(sum, y.shape);
}
