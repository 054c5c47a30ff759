import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, it} from 'vitest';
import {useEngine} from '../../src/index.js';
import {headCrossEntropy, headDistillation, type TeacherHead} from '../../src/ops/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';

const [D, E] = [3, 2];

const values = (length: number, seed: number): Float32Array =>
  Float32Array.from({length}, (_, i) => Math.sin(1.7 * i * (seed + 1) + seed));

interface Case {
  N: number;
  V: number;
  share: number;
  temperature: number;
}

const SMALL: Case[] = [
  {N: 5, V: 11, share: 0.3, temperature: 1},
  {N: 5, V: 11, share: 1, temperature: 3},
];
/** More rows than are computed at a time; too slow on the cpu engine. */
const LARGE: Case = {N: 70, V: 70_001, share: 0.6, temperature: 2};

/** The loss, and its gradient by the student's state, in float64. */
function reference({N, V, share: X, temperature: T}: Case) {
  const [state, weight, own, theirs] = [
    values(N * D, 1),
    values(V * D, 2),
    values(N * E, 3),
    values(V * E, 4),
  ];
  const logits = (x: Float32Array, w: Float32Array, size: number, row: number) =>
    Float64Array.from({length: V}, (_, v) => {
      let sum = 0;
      for (let d = 0; d < size; d++) sum += x[row * size + d]! * w[v * size + d]!;
      return sum;
    });
  const logSoftmax = (x: Float64Array, t: number) => {
    const most = x.reduce((a, b) => Math.max(a, b), -Infinity);
    const lse = Math.log(x.reduce((sum, value) => sum + Math.exp((value - most) / t), 0)) + most / t;
    return x.map((value) => value / t - lse);
  };
  const gradient = new Float64Array(N * D);
  let loss = 0;
  for (let row = 0; row < N; row++) {
    const s = logits(state, weight, D, row);
    const [plain, p, q] = [logSoftmax(s, 1), logSoftmax(s, T), logSoftmax(logits(own, theirs, E, row), T)];
    const target = (row * 7) % V;
    const share = rowWeight(row, N);
    let divergence = 0;
    for (let v = 0; v < V; v++) {
      divergence += Math.exp(q[v]!) * (q[v]! - p[v]!);
      const ofTarget = Math.exp(plain[v]!) - (v === target ? 1 : 0);
      const slope = share * ((1 - X) * ofTarget + X * T * (Math.exp(p[v]!) - Math.exp(q[v]!)));
      for (let d = 0; d < D; d++) gradient[row * D + d]! += slope * weight[v * D + d]!;
    }
    loss += share * (X * T * T * divergence - (1 - X) * plain[target]!);
  }
  return {loss, gradient};
}

/** Every third row does not count. */
const rowWeight = (row: number, N: number): number => (row % 3 === 2 ? 0 : 1 / N);

function inputs({N, V, share, temperature}: Case) {
  const teacher: TeacherHead = {
    state: tf.tensor2d(values(N * E, 3), [N, E]),
    weight: tf.tensor2d(values(V * E, 4), [V, E]),
    share,
    temperature,
  };
  const targets = tf.tensor1d(
    Array.from({length: N}, (_, row) => (row * 7) % V),
    'int32',
  );
  const weights = tf.tensor1d(Array.from({length: N}, (_, row) => rowWeight(row, N)));
  const state = tf.variable(tf.tensor2d(values(N * D, 1), [N, D]));
  const weight = tf.variable(tf.tensor2d(values(V * D, 2), [V, D]));
  return {teacher, targets, weights, state, weight};
}

describe.each(['native', 'wasm', 'cpu'])('distillation at the head on %s', (engine) => {
  it.each(engine === 'cpu' ? SMALL : [...SMALL, LARGE])(
    'has the loss and the gradient of its formula: %o',
    async (given) => {
      await useEngine({engine});
      const {teacher, targets, weights, state, weight} = inputs(given);
      const before = tf.memory().numTensors;
      const run = () => headDistillation(state, weight, targets, weights, teacher);
      const {value, grads} = tf.variableGrads(run, [state, weight]);
      const expected = reference(given);
      expectClose(await value.data(), [expected.loss], 1e-5, 'loss');
      expectNormClose(await grads[state.name]!.data(), expected.gradient, 1e-4, 1e-6, 'state');
      const ofWeight = grads[weight.name]!;
      // The gradient by the weight, along the weight itself, is that by the state along the state: both scale the logits.
      const along = async (gradient: tf.Tensor, x: tf.Tensor) =>
        (await tf.tidy(() => tf.sum(tf.mul(gradient, x))).data())[0]!;
      expectClose([await along(ofWeight, weight)], [await along(grads[state.name]!, state)], 1e-5, 'weight');
      weight.trainable = false;
      const frozen = tf.variableGrads(run, [state]);
      expect(await frozen.grads[state.name]!.data()).toEqual(await grads[state.name]!.data());
      tf.dispose([value, grads, frozen.value, frozen.grads]);
      // The two products of `along`.
      expect(tf.memory().numTensors).toBe(before + 2);
    },
  );

  it('is the cross-entropy for a teacher that counts next to nothing', async () => {
    await useEngine({engine});
    const {teacher, targets, weights, state, weight} = inputs({N: 9, V: 13, share: 0, temperature: 1});
    const own = headDistillation(state, weight, targets, weights, teacher);
    const plain = headCrossEntropy(state, weight, targets, weights);
    expectClose(await own.data(), await plain.data(), 1e-6, 'loss');
  });
});
