import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';
import {sumRows} from './structure.js';

/** `io`: weight [I, O]; `oi`: weight [O, I]. */
export type Orientation = 'io' | 'oi';

/**
 * y = x W + b over the last axis.
 * @param x - [..., I]
 * @param weight - [I, O] or [O, I], as `orientation` says
 * @param bias - [O], or null
 * @returns [..., O]
 */
export function linear<T extends tf.Tensor>(
  x: T,
  weight: tf.Tensor,
  bias: tf.Tensor | null,
  orientation: Orientation,
): T {
  const io = orientation === 'io';
  const outputs = io ? weight.shape[1]! : weight.shape[0];
  const flat = tf.reshape(x, [-1, x.shape.at(-1)!]);
  const y = customOp(bias ? [flat, weight, bias] : [flat, weight], (x, w, b) => {
    const product = tf.matMul(x, w, false, !io);
    return {
      value: b ? tf.add(product, b) : product,
      saved: [x, w],
      gradient: (dy, saved) => {
        const [x, w] = saved as [tf.Tensor, tf.Tensor];
        const dx = tf.matMul(dy, w, false, io);
        const dw = io ? tf.matMul(x, dy, true) : tf.matMul(dy, x, true);
        return b ? [dx, dw, sumRows(dy)] : [dx, dw];
      },
    };
  });
  return tf.reshape(y, [...x.shape.slice(0, -1), outputs]) as unknown as T;
}
