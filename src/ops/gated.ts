import type * as tf from '@tensorflow/tfjs-core';
import {activation, type ActivationName} from './activation.js';
import {customOp} from './custom.js';
import {hasKernel, runKernel} from './fused.js';
import {multiply} from './structure.js';

/** activation(gate) up, elementwise: what a gated feed-forward network puts through its last map. */
export function gated<T extends tf.Tensor>(gate: T, up: T, name: ActivationName): T {
  if (!hasKernel('ZttGated')) return multiply(activation(gate, name), up);
  return customOp([gate, up], (gate, up) => ({
    value: runKernel('ZttGated', {gate, up}, {activation: name})[0],
    saved: [gate, up],
    gradient: (dy, saved) => {
      const [gate, up] = saved as [tf.Tensor, tf.Tensor];
      return runKernel('ZttGatedGradient', {gate, up, dy}, {activation: name});
    },
  })) as T;
}
