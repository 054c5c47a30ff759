// What the fused kernels of src/ops are told, where several engines have them.

/** The activations of GPT-2 and OPT checkpoints. */
export type ActivationName = 'gelu_new' | 'gelu' | 'relu' | 'silu';

/** Of `ZttLinear`. */
export interface LinearAttributes {
  /** Whether the weight is [outputs, inputs]. */
  transpose: boolean;
  activation: ActivationName | null;
  /** Whether what the activation takes is a result too. */
  keep: boolean;
  /** Which outputs are wanted; all unless given. */
  from?: number;
  outputs?: number;
}

/** Of the kernels over strands: which query sees which keys (see `KeyView` in src/ops), and where columns begin. */
export interface StrandAttributes {
  heads: number;
  scale: number;
  /** [strands, 2]: queries, ranges. */
  strands: Int32Array;
  /** [ranges, 2]: first row, count. */
  ranges: Int32Array;
  /** [queries] */
  seen: Int32Array;
  qAt: number;
  kAt: number;
  vAt: number;
  /** Columns of q, of k and of v. */
  width: number;
}
