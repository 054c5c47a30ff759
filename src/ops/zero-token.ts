import type * as tf from '@tensorflow/tfjs-core';

// Shapes: B batch, T tokens, H heads, d head size, N rows.

/**
 * The zero token, which every query sees and whose value is zero: its keys [H, d], which meet the queries as they are,
 * or its logits, which come from elsewhere: [B, H, T] in a batch, [N, H] over strands. Its weight is z = e^(l - lse),
 * where lse is the log-sum-exp of all logits, this one's among them.
 */
export type ZeroToken = {key: tf.Tensor} | {logits: tf.Tensor};
