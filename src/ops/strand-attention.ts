import type * as tf from '@tensorflow/tfjs-core';
import type {StrandScoreAttributes, StrandView} from '../engine/index.js';
import {hasKernel, runKernel} from './fused.js';
import {composedAttention, composedValues, composedWeights} from './strand-composed.js';
import type {Columns, Strand, StrandScores, StrandWeights} from './strands.js';
import {rowZeroLogits} from './zero-logits.js';

// Shapes as in strands.ts.

/** Attention over strands, heads merged: [N, D], and the zero attention [N, H] if there is a zero token. */
export function strandAttention(scores: StrandScores, v: Columns): {mixed: tf.Tensor2D; zero?: tf.Tensor2D} {
  return withZeroLogits(scores, (zeroLogits) => {
    const {grouped} = scores;
    if (!hasKernel(grouped ? 'ZttGroupedStrandAttention' : 'ZttStrandAttention')) {
      return composedAttention(scores, zeroLogits, v);
    }
    const inputs = {q: scores.q.rows, k: scores.k.rows, v: v.rows, zeroLogits};
    const attributes = {...scoreAttributes(scores), vAt: v.at};
    const [mixed, zero] = grouped
      ? runKernel('ZttGroupedStrandAttention', inputs, {...attributes, ...grouped})
      : runKernel('ZttStrandAttention', inputs, attributes);
    return {mixed: mixed as tf.Tensor2D, zero: zero as tf.Tensor2D | undefined};
  });
}

/** The first half of `strandAttention`, which is all that an exit check needs. */
export function strandWeights(scores: StrandScores): {weights: StrandWeights; zero?: tf.Tensor2D} {
  return withZeroLogits(scores, (zeroLogits) => {
    const {grouped} = scores;
    if (!hasKernel(grouped ? 'ZttGroupedStrandWeights' : 'ZttStrandWeights')) {
      return composedWeights(scores, zeroLogits);
    }
    const inputs = {q: scores.q.rows, k: scores.k.rows, zeroLogits};
    const attributes = scoreAttributes(scores);
    const [weights, sums, zero] = grouped
      ? runKernel('ZttGroupedStrandWeights', inputs, {...attributes, ...grouped})
      : runKernel('ZttStrandWeights', inputs, attributes);
    return {weights: {tensors: [weights, sums], scores}, zero: zero as tf.Tensor2D | undefined};
  });
}

/**
 * The second half, for the queries that are kept, in order.
 * @param kept - for each query, 1 if it is kept and 0 if not
 * @param strands - the strands, with the ranges where their values lie; those of a strand without kept queries are
 *   not looked at, but for their counts
 */
export function strandValues(
  weights: StrandWeights,
  v: Columns,
  kept: Int32Array,
  strands: readonly Strand[],
): tf.Tensor2D {
  const {view, heads, width, grouped} = weights.scores;
  if (!hasKernel(grouped ? 'ZttGroupedStrandValues' : 'ZttStrandValues')) {
    return composedValues(weights, v, kept, strands);
  }
  const [exponentials, sums] = weights.tensors as [tf.Tensor, tf.Tensor];
  const common = viewAttributes({view: {strands, seen: view.seen}, heads, width});
  const attributes = {...common, vAt: v.at, kept};
  const inputs = {v: v.rows, weights: exponentials, sums};
  const [mixed] = grouped
    ? runKernel('ZttGroupedStrandValues', inputs, {...attributes, ...grouped})
    : runKernel('ZttStrandValues', inputs, attributes);
  return mixed as tf.Tensor2D;
}

/** Runs with the zero token's logits [N, H], if there is one; those of a key are there for so long only. */
function withZeroLogits<T>({zero, q, scale}: StrandScores, run: (logits: tf.Tensor | undefined) => T): T {
  if (!zero || 'logits' in zero) return run(zero?.logits);
  const logits = rowZeroLogits(q, zero.key, scale);
  try {
    return run(logits);
  } finally {
    logits.dispose();
  }
}

const scoreAttributes = (scores: StrandScores): StrandScoreAttributes => ({
  ...viewAttributes(scores),
  scale: scores.scale,
  qAt: scores.q.at,
  kAt: scores.k.at,
});

function viewAttributes({view, heads, width}: Pick<StrandScores, 'view' | 'heads' | 'width'>): StrandView {
  const {strands, seen} = view;
  const ranges = strands.flatMap(({ranges}) => ranges.flatMap(({start, count}) => [start, count]));
  return {
    heads,
    width,
    strands: Int32Array.from(strands.flatMap(({queries, ranges}) => [queries, ranges.length])),
    ranges: Int32Array.from(ranges),
    seen,
  };
}
