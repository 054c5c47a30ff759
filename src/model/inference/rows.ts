import * as tf from '@tensorflow/tfjs-core';
import {UsageError} from '../../errors.js';
import type {Architecture} from '../architecture.js';

// Shapes: B batch, T tokens of the longest row.

/**
 * Checks rows of token ids.
 * @throws UsageError naming the row, and the token, that cannot be
 */
export function checkIds(
  rows: readonly (readonly number[])[],
  minTokens: number,
  {vocabulary, maxPositions}: Architecture,
): void {
  if (rows.length === 0) throw new UsageError('there are no rows; give at least one.');
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
    }
  }
}

/**
 * Rows of token ids as [B, T] int32, padded on the right with 0.
 * @throws UsageError as `checkIds`
 */
export function idsTensor(
  rows: readonly (readonly number[])[],
  minTokens: number,
  arch: Architecture,
): tf.Tensor2D {
  checkIds(rows, minTokens, arch);
  const T = Math.max(...rows.map((row) => row.length));
  const ids = new Int32Array(rows.length * T);
  for (const [row, tokens] of rows.entries()) ids.set(tokens, row * T);
  return tf.tensor2d(ids, [rows.length, T], 'int32');
}

/**
 * For each row, the tokens whose zero attention decides its exit; all of them unless told otherwise.
 * @throws UsageError for a length that is not from 1 to the row's
 */
export function contextsOf(
  lengths: readonly number[],
  context: number | readonly number[] | undefined,
): number[] {
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
