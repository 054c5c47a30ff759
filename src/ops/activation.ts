import * as tf from '@tensorflow/tfjs-core';
import type {ActivationName} from '../engine/index.js';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';

export type {ActivationName} from '../engine/index.js';

const SQRT_2_OVER_PI = Math.sqrt(2 / Math.PI);
const CUBIC = 0.044715;

/** A function and its derivative, elementwise. */
interface Activation {
  value: (x: tf.Tensor) => tf.Tensor;
  derivative: (x: tf.Tensor) => tf.Tensor;
}

/** The argument of the sigmoid in `gelu_new`: 2 sqrt(2/pi) (x + 0.044715 x^3). */
function geluArgument(x: tf.Tensor): tf.Tensor {
  const factor = tf.add(tf.mul(tf.square(x), 2 * SQRT_2_OVER_PI * CUBIC), 2 * SQRT_2_OVER_PI);
  return tf.mul(x, factor);
}

/** x s + x s (1 - s) u', the derivative of x sigmoid(u(x)). */
function sigmoidProductDerivative(x: tf.Tensor, s: tf.Tensor, du: tf.Tensor | number): tf.Tensor {
  const slope = tf.mul(tf.mul(x, tf.sub(1, s)), du);
  return tf.mul(s, tf.add(slope, 1));
}

const ACTIVATIONS: Record<ActivationName, Activation> = {
  // The tanh form that GPT-2 was trained with (Hendrycks & Gimpel, arXiv 1606.08415), with
  // (1 + tanh u) / 2 = sigmoid(2 u): one fast kernel on every backend, where tanh is slow on some.
  gelu_new: {
    value: (x) => tf.mul(x, tf.sigmoid(geluArgument(x))),
    derivative: (x) => {
      const du = tf.add(tf.mul(tf.square(x), 6 * SQRT_2_OVER_PI * CUBIC), 2 * SQRT_2_OVER_PI);
      return sigmoidProductDerivative(x, tf.sigmoid(geluArgument(x)), du);
    },
  },
  // x Phi(x), exactly.
  gelu: {
    value: (x) => tf.mul(x, normalCdf(x)),
    derivative: (x) => {
      const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
      return tf.add(normalCdf(x), tf.mul(x, density));
    },
  },
  relu: {value: (x) => tf.relu(x), derivative: (x) => tf.step(x)},
  silu: {
    value: (x) => tf.mul(x, tf.sigmoid(x)),
    derivative: (x) => sigmoidProductDerivative(x, tf.sigmoid(x), 1),
  },
};

function normalCdf(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
}

/** dy times the activation's derivative at x. */
export function activationGradient(x: tf.Tensor, dy: tf.Tensor, name: ActivationName): tf.Tensor {
  return hasKernel('ZttActivationGradient')
    ? runKernel('ZttActivationGradient', {x, dy}, {activation: name})[0]
    : tf.mul(dy, ACTIVATIONS[name].derivative(x));
}

/** Applies an activation elementwise. */
export function activation<T extends tf.Tensor>(x: T, name: ActivationName): T {
  const value = hasKernel('ZttActivation')
    ? (x: tf.Tensor) => runKernel('ZttActivation', {x}, {activation: name})[0]
    : ACTIVATIONS[name].value;
  return customOp([x], (x) => ({
    value: value(x),
    saved: [x],
    gradient: (dy, [x]) => [activationGradient(x!, dy, name)],
  })) as T;
}
