import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';

// Shapes: B batch, T tokens, H heads, d head size.

/**
 * The logits of the zero token, one a token and head: scale q . key. Its query is not rotated.
 * @param q - [B, T, H d]
 * @param zeroKey - [H, d]
 * @returns [B, H, T]
 */
export function zeroLogits(q: tf.Tensor3D, zeroKey: tf.Tensor, scale: number): tf.Tensor3D {
  const [B, T] = q.shape;
  const [H, d] = zeroKey.shape as [number, number];
  return customOp([q, zeroKey], (q, zeroKey) => {
    const perHead = tf.reshape(q, [B, T, H, d]);
    const products = tf.sum(tf.mul(perHead, zeroKey), -1);
    const frozen = isFrozen(zeroKey);
    return {
      value: tf.mul(tf.transpose(products, [0, 2, 1]), scale),
      saved: frozen ? [zeroKey] : [zeroKey, perHead],
      gradient: (dy, [zeroKey, perHead]) => {
        const slope = tf.mul(tf.expandDims(tf.transpose(dy, [0, 2, 1]), -1), scale);
        const dq = tf.reshape(tf.mul(slope, zeroKey!), [B, T, H * d]);
        return [dq, perHead ? tf.sum(tf.mul(slope, perHead), [0, 1]) : null];
      },
    };
  }) as tf.Tensor3D;
}
