import * as tf from '@tensorflow/tfjs-core';
import {UsageError} from '../errors.js';
import type {Architecture} from './architecture.js';
import type {RowDepth} from './exit.js';

// Shapes: B batch, T tokens of the longest row, D width, H heads, N states.

/**
 * Rows of token ids as [B, T] int32, padded on the right with 0.
 * @throws UsageError naming the row, and the token, that cannot be
 */
export function idsTensor(
  rows: readonly (readonly number[])[],
  minTokens: number,
  {vocabulary, maxPositions}: Architecture,
): tf.Tensor2D {
  if (rows.length === 0) throw new UsageError('there are no rows; give at least one.');
  const T = Math.max(...rows.map((row) => row.length));
  const ids = new Int32Array(rows.length * T);
  for (const [row, tokens] of rows.entries()) {
    if (tokens.length < minTokens || tokens.length > maxPositions) {
      throw new UsageError(
        `row ${row} has ${tokens.length} tokens; this model takes ${minTokens} to ${maxPositions}.`,
      );
    }
    for (const [i, id] of tokens.entries()) {
      if (!(Number.isInteger(id) && id >= 0 && id < vocabulary)) {
        throw new UsageError(`row ${row}, token ${i}: id ${id} is not in the vocabulary of ${vocabulary}.`);
      }
      ids[row * T + i] = id;
    }
  }
  return tf.tensor2d(ids, [rows.length, T], 'int32');
}

/**
 * For each row, the tokens whose zero attention decides its exit; all of them unless told otherwise.
 * @throws UsageError for a length that is not from 1 to the row's
 */
export function contextsOf(lengths: number[], context: number | readonly number[] | undefined): number[] {
  return lengths.map((length, row) => {
    const value = typeof context === 'number' ? context : (context?.[row] ?? length);
    if (!(Number.isInteger(value) && value >= 1 && value <= length)) {
      throw new UsageError(
        `row ${row}: contextLength is ${value}; it must be from 1 to the row's ${length} tokens.`,
      );
    }
    return value;
  });
}

/** States of spans of rows, [N, D], from hidden [B, T, D]. */
export function rowStates(
  hidden: tf.Tensor3D,
  spans: {row: number; start: number; end: number}[],
): tf.Tensor2D {
  const D = hidden.shape[2];
  return tf.tidy(() =>
    tf.concat(
      spans.map(({row, start, end}) =>
        tf.reshape(tf.slice(hidden, [row, start, 0], [1, end - start, D]), [end - start, D]),
      ),
    ),
  );
}

/** A row's zero attention [slots run, 1, H, length], without the padding to T. */
export function joinZeroAttention(depth: RowDepth, T: number, length: number): Float32Array {
  const perSlot = depth.zeroAttention.map((z) =>
    Float32Array.from(
      {length: (z.length / T) * length},
      (_, i) => z[Math.floor(i / length) * T + (i % length)]!,
    ),
  );
  const joined = new Float32Array(perSlot.reduce((n, z) => n + z.length, 0));
  let filled = 0;
  for (const z of perSlot) {
    joined.set(z, filled);
    filled += z.length;
  }
  return joined;
}
