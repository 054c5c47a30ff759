import type * as tf from '@tensorflow/tfjs-core';
import type {Grouping} from '../engine/index.js';
import type {ZeroToken} from './zero-token.js';

// Shapes: N queries, D width, H heads. Tokens of many sequences lie below each other as rows, without padding.

/** Consecutive rows of keys and values. */
export interface KeyRange {
  start: number;
  count: number;
}

/** Queries that follow each other as rows, and share their keys. */
export interface Strand {
  queries: number;
  /** Its keys, in order: those of what it goes on from first, its own last. */
  ranges: readonly KeyRange[];
}

/** Which query sees which keys. */
export interface KeyView {
  /** In the order of their queries. */
  strands: readonly Strand[];
  /** For each query, how many of its strand's keys it sees, from the first on; at least 1. */
  seen: Int32Array;
}

/** D columns of a tensor's rows, from `at` on: of q, k and v side by side each is one. */
export type Columns = {
  rows: tf.Tensor2D;
  at: number;
};

export interface StrandScores {
  /** The row of each query. */
  q: Columns;
  k: Columns;
  view: KeyView;
  heads: number;
  /** D */
  width: number;
  scale: number;
  /** The zero token, if there is one; its logits [N, H]. */
  zero?: ZeroToken;
  /** For attention that is not plain. */
  grouped?: Grouping;
}

/** The attention weights of strands, before there are values. Its tensors are the caller's to dispose of. */
export interface StrandWeights {
  tensors: tf.Tensor[];
  scores: Pick<StrandScores, 'view' | 'heads' | 'width' | 'grouped'>;
}
