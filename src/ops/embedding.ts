import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

/**
 * Rows of a table. Its gradient adds up the rows that come more than once.
 * @param table - [V, E]
 * @param ids - [B, T] int32, each in [0, V)
 * @returns [B, T, E]
 */
export function embedding(table: tf.Tensor, ids: tf.Tensor2D): tf.Tensor3D {
  const [V, E] = table.shape as [number, number];
  return customOp([table], (table) => ({
    value: tf.gather(table, ids),
    saved: [ids],
    gradient: (dy, [ids]) => [tf.scatterND(tf.reshape(ids!, [-1, 1]), tf.reshape(dy, [-1, E]), [V, E])],
  })) as tf.Tensor3D;
}

/**
 * Consecutive rows of a table, as one block.
 * @param table - [P, D]
 * @returns [length, D]
 */
export function consecutiveRows(table: tf.Tensor, start: number, length: number): tf.Tensor2D {
  const [P] = table.shape as [number, number];
  return customOp([table], (table) => ({
    value: tf.slice(table, [start, 0], [length, -1]),
    saved: [],
    gradient: (dy) => [
      tf.pad(dy, [
        [start, P - start - length],
        [0, 0],
      ]),
    ],
  })) as tf.Tensor2D;
}
