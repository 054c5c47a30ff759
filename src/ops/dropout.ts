import * as tf from '@tensorflow/tfjs-core';
import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import type {RandomGenerator} from 'pure-rand/types/RandomGenerator';
import {customOp} from './custom.js';

/** Zeroes each element with probability `rate` and divides the others by 1 - rate. The mask is `random`'s next. */
export function dropout<T extends tf.Tensor>(x: T, rate: number, random: RandomGenerator): T {
  const kept = 1 / (1 - rate);
  const mask = Float32Array.from({length: x.size}, () => (uniformFloat64(random) < rate ? 0 : kept));
  return customOp([x], (x) => {
    const factors = tf.tensor(mask, x.shape);
    return {
      value: tf.mul(x, factors),
      saved: [factors],
      gradient: (dy, [factors]) => [tf.mul(dy, factors!)],
    };
  }) as T;
}
