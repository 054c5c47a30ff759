import * as tf from '@tensorflow/tfjs-core';
import {useEngine, type EngineOptions} from '../../src/index.js';
import {expectNormClose} from '../helpers/close.js';

/** Values that look random and are the same each time, in [-1, 1). */
export function values(length: number, seed: number): Float32Array {
  let state = seed * 2 + 1;
  return Float32Array.from({length}, () => {
    state = (state * 48271) % 2147483647;
    return (state / 2147483647) * 2 - 1;
  });
}

/** A tensor of such values. */
export function tensor(shape: number[], seed: number): tf.Tensor {
  return tf.tensor(
    values(
      shape.reduce((n, size) => n * size, 1),
      seed,
    ),
    shape,
  );
}

/** A function of tensors that gives one. */
export type Op = (...inputs: tf.Tensor[]) => tf.Tensor;

/** An op's value and the gradients of all its inputs for a dy of such values, on an engine. */
export async function evaluate(
  engine: EngineOptions,
  op: Op,
  inputs: {shape: number[]; values: Float32Array}[],
): Promise<Float32Array[]> {
  await useEngine(engine);
  const results = tf.tidy(() => {
    const tensors = inputs.map(({shape, values}) => tf.tensor(values, shape));
    const value = op(...tensors);
    const dy = tensor(value.shape, 99);
    return [value, ...tf.grads(op)(tensors, dy)];
  });
  const all = await Promise.all(results.map(async (result) => (await result.data()) as Float32Array));
  tf.dispose(results);
  return all;
}

/** Asserts that an op on an engine, value and gradients, is as its composed reference on tfjs's own CPU backend. */
export async function expectAsComposed(
  engine: EngineOptions,
  op: Op,
  shapes: number[][],
  relative = 1e-5,
): Promise<Float32Array[]> {
  const inputs = shapes.map((shape, i) => ({shape, values: values(sizeOf(shape), i + 1)}));
  const composed = await evaluate({engine: 'cpu'}, op, inputs);
  const found = await evaluate(engine, op, inputs);
  for (const [i, expected] of composed.entries()) {
    expectNormClose(found[i]!, expected, relative, 1e-6, i === 0 ? 'value' : `gradient ${i - 1}`);
  }
  return found;
}

const sizeOf = (shape: number[]): number => shape.reduce((n, size) => n * size, 1);
