import * as tf from '@tensorflow/tfjs-core';
import {attentionWeights, MASKED, weightedValues, zeroAttention} from './attention.js';
import {groupedValues, groupedWeights} from './grouped-attention.js';
import type {Columns, KeyView, Strand, StrandScores, StrandWeights} from './strands.js';
import {mergeHeads, splitHeads} from './structure.js';

// The reference for strands, of tfjs operations: queries and keys are gathered into [S strands, most of one strand,
// D], padded and masked. Shapes: N queries, D width, H heads, d head size, Z 1 with a zero token and 0 without.

export function composedAttention(
  scores: StrandScores,
  zeroLogits: tf.Tensor | undefined,
  v: Columns,
): {mixed: tf.Tensor2D; zero?: tf.Tensor2D} {
  const {weights, zero} = composedWeights(scores, zeroLogits);
  const everyone = new Int32Array(scores.view.seen.length).fill(1);
  const mixed = composedValues(weights, v, everyone, scores.view.strands);
  tf.dispose(weights.tensors);
  return {mixed, zero};
}

export function composedWeights(
  scores: StrandScores,
  zeroLogits: tf.Tensor | undefined,
): {weights: StrandWeights; zero?: tf.Tensor2D} {
  const {q, k, view, heads, width, scale, grouped} = scores;
  const {strands} = view;
  const result = tf.tidy(() => {
    const queries = splitHeads(gatherStrands(q, width, rowsOfQueries(view), mostQueries(view)), heads);
    const kvHeads = grouped?.kvHeads ?? heads;
    const keyWidth = (width / heads) * kvHeads;
    const keys = splitHeads(gatherStrands(k, keyWidth, strands.map(rowsOfKeys), mostKeys(strands)), kvHeads);
    const zero = zeroLogits && padLogits(zeroLogits as tf.Tensor2D, view);
    const weights = grouped
      ? groupedWeights(queries, keys, zero ?? null, scale, maskOf(view, 0, grouped.window))
      : attentionWeights(queries, keys, zero, scale, maskOf(view, zero ? 1 : 0, null));
    if (!zero) return {weights};
    const perToken: tf.Tensor3D = tf.transpose(zeroAttention(weights), [0, 2, 1]);
    return {
      weights,
      zero: tf.gather(tf.reshape(perToken, [-1, heads]), placesOfQueries(view)),
    };
  }) as {weights: tf.Tensor4D; zero?: tf.Tensor2D};
  return {weights: {tensors: [result.weights], scores}, zero: result.zero};
}

/** Zero logits [N, H] as those of the padded queries, [S, H, most of one strand]. */
function padLogits(logits: tf.Tensor2D, view: KeyView): tf.Tensor3D {
  const columns = {rows: logits, at: 0};
  const padded = gatherStrands(columns, logits.shape[1], rowsOfQueries(view), mostQueries(view));
  return tf.transpose(padded, [0, 2, 1]);
}

export function composedValues(
  {tensors, scores: {view, heads, width, grouped}}: StrandWeights,
  v: Columns,
  kept: Int32Array,
  strands: readonly Strand[],
): tf.Tensor2D {
  return tf.tidy(() => {
    let query = 0;
    // The values of a strand that is not looked at may be anything.
    const rows = strands.map((strand) => {
      const end = query + strand.queries;
      const used = kept.subarray(query, end).some((keep) => keep === 1);
      query = end;
      return used ? rowsOfKeys(strand) : [];
    });
    const kvHeads = grouped?.kvHeads ?? heads;
    const keyWidth = (width / heads) * kvHeads;
    const values = splitHeads(gatherStrands(v, keyWidth, rows, mostKeys(strands)), kvHeads);
    const weights = tensors[0] as tf.Tensor4D;
    const mixed = mergeHeads(grouped ? groupedValues(weights, values) : weightedValues(weights, values));
    const places = placesOfQueries(view).filter((_, i) => kept[i] === 1);
    return tf.gather(tf.reshape(mixed, [-1, width]), tf.tensor1d(places, 'int32'));
  });
}

const mostQueries = ({strands}: KeyView): number => Math.max(...strands.map(({queries}) => queries));

const keysOf = ({ranges}: Strand): number => ranges.reduce((sum, {count}) => sum + count, 0);

const mostKeys = (strands: readonly Strand[]): number => Math.max(...strands.map(keysOf));

const rowsOfKeys = ({ranges}: Strand): number[] =>
  ranges.flatMap(({start, count}) => Array.from({length: count}, (_, i) => start + i));

/** For each strand, the rows of its queries. */
function rowsOfQueries({strands}: KeyView): number[][] {
  let row = 0;
  return strands.map(({queries}) => Array.from({length: queries}, () => row++));
}

/** Of each query, its place among the padded ones. */
function placesOfQueries(view: KeyView): Int32Array {
  const most = mostQueries(view);
  return Int32Array.from(
    view.strands.flatMap(({queries}, s) => Array.from({length: queries}, (_, i) => s * most + i)),
  );
}

/** Rows for each strand, [S, most, width]; what pads them is the first row, and masked. */
function gatherStrands({rows, at}: Columns, width: number, indices: number[][], most: number): tf.Tensor3D {
  const padded = new Int32Array(indices.length * most);
  for (const [s, own] of indices.entries()) padded.set(own, s * most);
  const columns = at === 0 && rows.shape[1] === width ? rows : tf.slice(rows, [0, at], [-1, width]);
  const gathered = tf.gather(columns, tf.tensor1d(padded, 'int32'));
  return tf.reshape(gathered, [indices.length, most, width]);
}

/**
 * What is added to the logits: [S, 1, most queries, Z + most keys].
 * @param window - the last of its keys that a query sees; null for all
 */
function maskOf(view: KeyView, zeroTokens: 0 | 1, window: number | null): tf.Tensor4D {
  const {strands, seen} = view;
  const [S, queries, columns] = [strands.length, mostQueries(view), zeroTokens + mostKeys(strands)];
  const mask = new Float32Array(S * queries * columns);
  for (const [i, place] of placesOfQueries(view).entries()) {
    const keys = place * columns + zeroTokens;
    mask.fill(MASKED, keys + seen[i]!, (place + 1) * columns);
    if (window !== null) mask.fill(MASKED, keys, keys + Math.max(0, seen[i]! - window));
  }
  return tf.tensor4d(mask, [S, 1, queries, columns]);
}
