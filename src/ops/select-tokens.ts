import * as tf from '@tensorflow/tfjs-core';
import {customOp} from './custom.js';

/**
 * For each token one of two states: `after` where it goes on, `before` where it stays as it is.
 * @param before - [B, T, D]
 * @param after - [B, T, D]
 * @param goes - 1 or 0, [B, T, 1]; it has no gradient
 * @returns [B, T, D]
 */
export function selectTokens(before: tf.Tensor3D, after: tf.Tensor3D, goes: tf.Tensor3D): tf.Tensor3D {
  return customOp([before, after], (before, after) => {
    const stays = tf.sub(1, goes);
    return {
      value: tf.add(tf.mul(after, goes), tf.mul(before, stays)),
      saved: [tf.clone(goes), stays],
      gradient: (dy, saved) => {
        const [goes, stays] = saved as [tf.Tensor, tf.Tensor];
        return [tf.mul(dy, stays), tf.mul(dy, goes)];
      },
    };
  }) as tf.Tensor3D;
}
