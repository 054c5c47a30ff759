import * as tf from '@tensorflow/tfjs-core';
import {tokenScores} from '../ops/index.js';
import {rowsAtATime} from './max-logits.js';
import type {Network} from './network.js';

// Shapes: N rows, D width, V vocabulary.

/** Runs the LM head over rows of hidden [N, D], some at a time: `use` is given [end - start, V]. */
async function headOver(
  network: Network,
  hidden: tf.Tensor2D,
  rows: readonly number[],
  use: (logits: tf.Tensor2D, start: number, end: number) => Promise<void>,
): Promise<void> {
  const size = rowsAtATime(network.config.arch.vocabulary);
  for (let start = 0; start < rows.length; start += size) {
    const end = Math.min(start + size, rows.length);
    const some = tf.tensor1d(rows.slice(start, end), 'int32');
    const logits = tf.tidy(() => network.logits(tf.gather(hidden, some)));
    some.dispose();
    await use(logits, start, end);
    logits.dispose();
  }
}

/** The logits of rows of hidden [N, D], [rows, V]. */
export async function logitsOf(
  network: Network,
  hidden: tf.Tensor2D,
  rows: readonly number[],
): Promise<Float32Array> {
  const V = network.config.arch.vocabulary;
  const all = new Float32Array(rows.length * V);
  await headOver(network, hidden, rows, async (logits, start) => all.set(await logits.data(), start * V));
  return all;
}

/** A token that a row of hidden states predicts or not. */
export interface Prediction {
  row: number;
  target: number;
}

/** The log-probability of each target, and whether it is the most likely token. Each row's logits are computed once. */
export async function scorePredictions(
  network: Network,
  hidden: tf.Tensor2D,
  predictions: readonly Prediction[],
): Promise<{logProbs: Float32Array; greedy: boolean[]}> {
  const logProbs = new Float32Array(predictions.length);
  const greedy = new Array<boolean>(predictions.length);
  const byRow = new Map<number, number[]>();
  for (const [i, {row}] of predictions.entries()) {
    const own = byRow.get(row);
    if (own) own.push(i);
    else byRow.set(row, [i]);
  }
  const rows = [...byRow.keys()];
  await headOver(network, hidden, rows, async (logits, start, end) => {
    const asked = rows.slice(start, end).flatMap((row, at) => byRow.get(row)!.map((i) => ({i, at})));
    const scores = tf.tidy(() => {
      const targets = asked.map(({i}) => predictions[i]!.target);
      const places = asked.map(({at}) => at);
      return tokenScores(logits, tf.tensor1d(targets, 'int32'), tf.tensor1d(places, 'int32'));
    });
    const [values, ids] = await Promise.all([scores.logProbabilities.data(), scores.best.data()]);
    tf.dispose([scores.logProbabilities, scores.best]);
    for (const [k, {i, at}] of asked.entries()) {
      logProbs[i] = values[k]!;
      greedy[i] = ids[at] === predictions[i]!.target;
    }
  });
  return {logProbs, greedy};
}
