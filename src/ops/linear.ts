import * as tf from '@tensorflow/tfjs-core';
import {activation, activationGradient, type ActivationName} from './activation.js';
import {customOp, isFrozen, type OpResult} from './custom.js';
import {gradientsWanted, hasKernel, runKernel} from './fused.js';
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
  const flat = x.rank === 2 ? x : reshape(x, [-1, x.shape.at(-1)!]);
  const op = hasKernel('ZttLinear') ? fused(io, through, gradientsWanted()) : composed(io);
  const y = customOp(bias ? [flat, weight, bias] : [flat, weight], op);
  const shaped = x.rank === 2 ? (y as T) : reshape<T>(y, [...x.shape.slice(0, -1), outputs]);
  return through && !hasKernel('ZttLinear') ? activation(shaped, through) : shaped;
}

/** Some neighbouring outputs of a linear map. */
export interface OutputRange {
  from: number;
  count: number;
}

/** `linear` of these outputs alone, of rows [N, I]: nothing else is computed. Not for training. */
export function linearPart(
  x: tf.Tensor2D,
  weight: tf.Tensor,
  bias: tf.Tensor | null,
  orientation: Orientation,
  {from, count}: OutputRange,
): tf.Tensor2D {
  const io = orientation === 'io';
  if (count === weight.shape[io ? 1 : 0]) return linear(x, weight, bias, orientation);
  if (hasKernel('ZttLinear')) {
    const attributes = {transpose: !io, activation: null, keep: false, from, outputs: count};
    return runKernel('ZttLinear', {x, weight, bias: bias ?? undefined}, attributes)[0] as tf.Tensor2D;
  }
  return tf.tidy(() => {
    const part = io ? tf.slice(weight, [0, from], [-1, count]) : tf.slice(weight, [from, 0], [count, -1]);
    return linear(x, part, bias && tf.slice(bias, [from], [count]), orientation);
  });
}

type LinearOp = (x: tf.Tensor, w: tf.Tensor, b?: tf.Tensor) => OpResult;

/**
 * Gradients of x, W and b (if there is one) from that of the product.
 * @param x - null where W is frozen: nothing else needs it
 */
function gradients(
  dy: tf.Tensor,
  x: tf.Tensor | null,
  w: tf.Tensor,
  io: boolean,
  bias: 'none' | 'frozen' | 'trained',
): (tf.Tensor | null)[] {
  const dx = tf.matMul(dy, w, false, io);
  const dw = x && (io ? tf.matMul(x, dy, true) : tf.matMul(dy, x, true));
  if (bias === 'none') return [dx, dw];
  return [dx, dw, bias === 'trained' ? sumRows(dy) : null];
}

const stateOf = (bias: tf.Tensor | undefined) => (!bias ? 'none' : isFrozen(bias) ? 'frozen' : 'trained');

const composed =
  (io: boolean): LinearOp =>
  (x, w, b) => {
    const product = tf.matMul(x, w, false, !io);
    const bias = stateOf(b);
    return {
      value: b ? tf.add(product, b) : product,
      saved: isFrozen(w) ? [w] : [w, x],
      gradient: (dy, [w, x]) => gradients(dy, x ?? null, w!, io, bias),
    };
  };

/** One kernel, which also keeps what the activation took if its gradient will be wanted. */
const fused =
  (io: boolean, through: ActivationName | null, wanted: boolean): LinearOp =>
  (x, weight, b) => {
    const keep = wanted && through !== null;
    const [value, before] = runKernel(
      'ZttLinear',
      {x, weight, bias: b},
      {transpose: !io, activation: through, keep},
    );
    const bias = stateOf(b);
    const frozen = isFrozen(weight);
    return {
      value,
      saved: [weight, ...(frozen ? [] : [x]), ...(before ? [before] : [])],
      gradient: (dy, saved) => {
        const [w, x] = saved as [tf.Tensor, tf.Tensor?];
        const inner = keep ? activationGradient(saved.at(-1)!, dy, through) : dy;
        return gradients(inner, frozen ? null : x!, w, io, bias);
      },
    };
  };
