import * as tf from '@tensorflow/tfjs-core';
import {activation, activationGradient, type ActivationName} from './activation.js';
import {customOp, type OpResult} from './custom.js';
import {gradientsWanted, hasKernel, runFused} from './fused.js';
import {reshape, sumRows} from './structure.js';

// Shapes: N rows, I inputs, O outputs.

/** `io`: weight [I, O]; `oi`: weight [O, I]. */
export type Orientation = 'io' | 'oi';

/**
 * y = x W + b over the last axis, through an activation if one is given.
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
  through: ActivationName | null = null,
): T {
  const io = orientation === 'io';
  const outputs = io ? weight.shape[1]! : weight.shape[0];
  const flat = reshape(x, [-1, x.shape.at(-1)!]);
  const op = hasKernel('ZttLinear') ? fused(io, through, gradientsWanted()) : composed(io);
  const y = customOp(bias ? [flat, weight, bias] : [flat, weight], op);
  const shaped: T = reshape(y, [...x.shape.slice(0, -1), outputs]);
  return through && !hasKernel('ZttLinear') ? activation(shaped, through) : shaped;
}

type LinearOp = (x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor) => OpResult;

/** Gradients of x, W and b (if there is one) from that of the product. */
function gradients(dy: tf.Tensor, x: tf.Tensor, w: tf.Tensor, io: boolean, bias: boolean): tf.Tensor[] {
  const dx = tf.matMul(dy, w, false, io);
  const dw = io ? tf.matMul(x, dy, true) : tf.matMul(dy, x, true);
  return bias ? [dx, dw, sumRows(dy)] : [dx, dw];
}

const composed =
  (io: boolean): LinearOp =>
  (x, w, b) => {
    const product = tf.matMul(x, w, false, !io);
    return {
      value: b ? tf.add(product, b) : product,
      saved: [x, w],
      gradient: (dy, [x, w]) => gradients(dy, x!, w!, io, b !== undefined),
    };
  };

/** One kernel, which also keeps what the activation took if its gradient will be wanted. */
const fused =
  (io: boolean, through: ActivationName | null, wanted: boolean): LinearOp =>
  (x, weight, bias) => {
    const keep = wanted && through !== null;
    const [value, before] = runFused(
      'ZttLinear',
      {x, weight, bias},
      {transpose: !io, activation: through, keep},
    );
    return {
      value: value!,
      saved: before ? [x, weight, before] : [x, weight],
      gradient: (dy, [x, w, before]) => {
        const inner = through && before ? activationGradient(before, dy, through) : dy;
        return gradients(inner, x!, w!, io, bias !== undefined);
      },
    };
  };
