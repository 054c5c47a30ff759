import * as tf from '@tensorflow/tfjs-core';
import {customOp, isFrozen} from './custom.js';
import {logProbabilities, logSumExp} from './cross-entropy.js';
import {gradientsWanted} from './fused.js';

// Shapes: N rows, D and E widths of the student's and the teacher's last states, V vocabulary.

/** Logits computed at a time, of the student and of the teacher each. */
const CHUNK_LOGITS = 1 << 22;
/** Rows at a time, at least: products of fewer are slow. */
const CHUNK_ROWS = 64;

/** What a student is drawn to. */
export interface TeacherHead {
  /** [N, E] */
  state: tf.Tensor2D;
  /** The teacher's LM head, [V, E]. */
  weight: tf.Tensor;
  /** X: what the divergence counts; the next token counts 1 - X. */
  share: number;
  /** Both distributions are softmax(logits / temperature). */
  temperature: number;
}

/**
 * The weighted mean of (1 - X) cross-entropy + X T^2 KL(teacher || student) over the LM heads' logits, in nats (Hinton
 * et al., arXiv 1503.02531, whose T^2 keeps the gradient's size whatever the temperature). The logits and their
 * gradients are only ever there for some rows at a time.
 * @param state - [N, D]
 * @param weight - [V, D]
 * @param targets - [N] int32, each in [0, V)
 * @param weights - [N], each row's share of the mean. A row of weight 0 does not count.
 */
export function headDistillation(
  state: tf.Tensor2D,
  weight: tf.Tensor,
  targets: tf.Tensor1D,
  weights: tf.Tensor1D,
  teacher: TeacherHead,
): tf.Scalar {
  const wanted = gradientsWanted();
  const weightWanted = wanted && !isFrozen(weight);
  return customOp([state, weight], (state, weight) => {
    const [N] = state.shape as [number, number];
    const rows = chunkRows(weight.shape[0]);
    let loss: tf.Tensor = tf.scalar(0);
    let dWeight: tf.Tensor = tf.zeros(weightWanted ? weight.shape : [0]);
    const dState: tf.Tensor[] = [];
    for (let start = 0; start < N; start += rows) {
      const size = Math.min(rows, N - start);
      const part = <T extends tf.Tensor>(x: T): T =>
        tf.slice(x, [start, ...x.shape.slice(1).map(() => 0)], [size, ...x.shape.slice(1)]);
      const [sum, dPart, dAll] = tf.tidy(() => {
        const own = part(state as tf.Tensor2D);
        const chunk = chunkLoss(
          tf.matMul(own, weight, false, true),
          tf.matMul(part(teacher.state), teacher.weight, false, true),
          {targets: part(targets), weights: part(weights)},
          teacher,
          wanted,
        );
        const sum = tf.add(loss, chunk.loss);
        if (!chunk.gradient) return [sum];
        const dPart = tf.matMul(chunk.gradient, weight);
        return weightWanted
          ? [sum, dPart, tf.add(dWeight, tf.matMul(chunk.gradient, own, true))]
          : [sum, dPart];
      }) as [tf.Tensor, tf.Tensor?, tf.Tensor?];
      tf.dispose([loss, ...(dAll ? [dWeight] : [])]);
      loss = sum;
      if (dPart) dState.push(dPart);
      if (dAll) dWeight = dAll;
    }
    return {
      value: loss,
      saved: wanted ? [tf.concat(dState), ...(weightWanted ? [dWeight] : [])] : [],
      gradient: (dy, [dState, dWeight]) => [tf.mul(dState!, dy), weightWanted ? tf.mul(dWeight!, dy) : null],
    };
  }) as tf.Scalar;
}

const chunkRows = (V: number): number => Math.max(CHUNK_ROWS, Math.floor(CHUNK_LOGITS / V));

/** How many logits of each model are there at a time, of N targets over a vocabulary of V. */
export const distilledLogits = (N: number, V: number): number => Math.min(N, chunkRows(V)) * V;

/** The loss of some rows, and its gradient by the student's logits [n, V] if it is wanted. */
function chunkLoss(
  student: tf.Tensor2D,
  teacher: tf.Tensor2D,
  {targets, weights}: {targets: tf.Tensor1D; weights: tf.Tensor1D},
  {share: X, temperature: T}: Pick<TeacherHead, 'share' | 'temperature'>,
  wanted: boolean,
): {loss: tf.Tensor; gradient?: tf.Tensor} {
  const V = student.shape[1];
  const [s, t] = T === 1 ? [student, teacher] : [tf.div(student, T), tf.div(teacher, T)];
  const [p, q] = [tf.softmax(s), tf.softmax(t)];
  // KL = sum q (log q - log p) = sum q (t - s) + lse(s) - lse(t), where nothing underflows.
  const across = tf.tidy(() => tf.sum(tf.mul(q, tf.sub(t, s)), 1, true));
  const sums = tf.tidy(() => tf.sub(logSumExp(s, p), logSumExp(t, q)));
  const divergence = tf.reshape(tf.add(across, sums), [-1]);
  const entropy = tf.tidy(() => tf.neg(logProbabilities(student, targets)));
  const losses = tf.add(tf.mul(entropy, 1 - X), tf.mul(divergence, X * T * T));
  const loss = tf.sum(tf.mul(losses, weights));
  if (!wanted) return {loss};
  const plain = T === 1 ? p : tf.softmax(student);
  const ofTargets = tf.tidy(() => tf.mul(tf.sub(plain, tf.oneHot(targets, V)), 1 - X));
  const ofTeacher = tf.tidy(() => tf.mul(tf.sub(p, q), X * T));
  return {loss, gradient: tf.mul(tf.add(ofTargets, ofTeacher), tf.reshape(weights, [-1, 1]))};
}
