import type {EngineName} from './engine-names.js';

// The contract between operations (src/ops, src/finetune) and engines: every kernel that an engine may have for a whole
// operation, with its inputs, attributes and outputs. Operations call kernels through it, and engines fill a table of
// it. An operation whose kernel an engine lacks runs composed of tfjs's own kernels; `ENGINE_KERNELS` says which those are.

// Shapes: B batch, T tokens, D width, H heads, d head size, N rows, I inputs, O outputs, V vocabulary, C columns.

/** The activations of the checkpoints that ztt reads. */
export type ActivationName = 'gelu_new' | 'gelu' | 'relu' | 'silu';

/** Attributes of `ZttLinear`. */
export interface LinearAttributes {
  /** Whether the weight is [O, I] instead of [I, O]. */
  transpose: boolean;
  activation: ActivationName | null;
  /** Whether the input of the activation is an output too. */
  keep: boolean;
  /** The first output that is wanted; 0 unless given. */
  from?: number;
  /** How many outputs are wanted; all unless given. */
  outputs?: number;
}

/** Queries, keys and values side by side as [B, T, 3 D], or each [B, T, D]. */
export type Projected<T> = {qkv: T} | {q: T; k: T; v: T};

/** Attributes of attention over a batch. */
export interface AttentionAttributes {
  /** H */
  heads: number;
  /** The factor on q . k. */
  scale: number;
}

/** Of attention whose heads share keys, or see a window of them. */
export interface Grouping {
  /** G: neighbouring heads share a head of keys and values. */
  kvHeads: number;
  /** The last of its keys that a query sees, its own among them; null for all. */
  window: number | null;
}

/** Which query of strands sees which keys (see `KeyView` in src/ops). */
export interface StrandView {
  /** H */
  heads: number;
  /** D: columns of q, of k and of v. */
  width: number;
  /** [strands, 2]: queries, ranges. */
  strands: Int32Array;
  /** [ranges, 2]: first row, count. */
  ranges: Int32Array;
  /** [N] */
  seen: Int32Array;
}

/** Attributes of the scores of strands: the first columns of q and k among their rows' columns, and the scale. */
export interface StrandScoreAttributes extends StrandView {
  scale: number;
  qAt: number;
  kAt: number;
}

/** The numbers of one step of AdamW. */
export type AdamWNumbers = Record<
  'scale' | 'rate' | 'beta1' | 'beta2' | 'epsilon' | 'squareCorrection' | 'decay',
  number
>;

/** No attributes. */
type None = Record<never, never>;

/**
 * Every kernel: its inputs by name (those with `?` may be missing), its attributes and its outputs in order.
 * @typeParam T - a tensor, as the caller or the engine holds it
 */
export interface Kernels<T> {
  /** y [N, O] = activation(x [N, I] W + bias [O]), and the activation's input if `keep`. */
  ZttLinear: {
    inputs: {x: T; weight: T; bias?: T};
    attributes: LinearAttributes;
    outputs: [y: T, before?: T];
  };
  /** Elementwise. */
  ZttActivation: {inputs: {x: T}; attributes: {activation: ActivationName}; outputs: [y: T]};
  /** dx = dy times the activation's derivative at x. */
  ZttActivationGradient: {
    inputs: {x: T; dy: T};
    attributes: {activation: ActivationName};
    outputs: [dx: T];
  };
  /** The column sums [C] of x [N, C]. */
  ZttColumnSums: {inputs: {x: T}; attributes: None; outputs: [sums: T]};
  /** RMS norm: y = x (weight [C] + offset) / the root of each row's mean square; stats [N] are 1 / these roots. */
  ZttRmsNorm: {
    inputs: {x: T; weight: T};
    attributes: {epsilon: number; offset: number};
    outputs: [y: T, stats: T];
  };
  /** The gradient by the weight comes only if it is trained. */
  ZttRmsNormGradient: {
    inputs: {x: T; stats: T; weight: T; dy: T};
    attributes: {offset: number; trained: boolean};
    outputs: [dx: T, dWeight?: T];
  };
  /**
   * Rotates the heads of x [..., T, H d] by the angles of T places, whose cosines and sines are [T, r / 2]; or back, which
   * is its gradient.
   */
  ZttRotate: {
    inputs: {x: T; cos: T; sin: T};
    attributes: {headSize: number; back: boolean};
    outputs: [y: T];
  };
  /** y = activation(gate) up, elementwise. */
  ZttGated: {inputs: {gate: T; up: T}; attributes: {activation: ActivationName}; outputs: [y: T]};
  ZttGatedGradient: {
    inputs: {gate: T; up: T; dy: T};
    attributes: {activation: ActivationName};
    outputs: [dGate: T, dUp: T];
  };
  /** Layer norm of x [..., C] with weight and bias [C] or without both; stats [N, 2] are each row's mean and 1 / deviation. */
  ZttLayerNorm: {
    inputs: {x: T; weight?: T; bias?: T};
    attributes: {epsilon: number};
    outputs: [y: T, stats: T];
  };
  /** The gradients by weight and bias come only with a weight and with `affine`. */
  ZttLayerNormGradient: {
    inputs: {x: T; stats: T; weight?: T; dy: T};
    attributes: {affine: boolean};
    outputs: [dx: T, dWeight?: T, dBias?: T];
  };
  /**
   * The zero logits of queries: the product of q, in its columns from `at` on, and the zero key [H, d], times the
   * scale. Of q [B, T, ...] they are [B, H, T], of q [N, ...] they are [N, H].
   */
  ZttZeroLogits: {
    inputs: {q: T; zeroKey: T};
    attributes: {scale: number; at: number};
    outputs: [logits: T];
  };
  /** Their gradients, for q [B, T, ...] from its first column on: dq is added to in place, dKey [H, d] is returned. */
  ZttZeroLogitsGradient: {
    inputs: {q: T; zeroKey: T; dLogits: T; dq: T};
    attributes: {scale: number};
    outputs: [dKey: T];
  };
  /**
   * Causal attention: out [B, T, D], each query's log-sum-exp [B, H, T], and with zero logits [B, H, T] the zero
   * attention [B, H, T].
   */
  ZttAttention: {
    inputs: Projected<T> & {zeroLogits?: T};
    attributes: AttentionAttributes;
    outputs: [out: T, lse: T, zero?: T];
  };
  /** The gradients by qkv, or by q, k and v; then the one by the zero logits, if there are any. */
  ZttAttentionGradient: {
    inputs: Projected<T> & {zeroLogits?: T; out: T; lse: T; dy: T};
    attributes: AttentionAttributes;
    outputs: T[];
  };
  /** As `ZttAttention`, of q [B, T, H d], k and v [B, T, G d]. */
  ZttGroupedAttention: {
    inputs: {q: T; k: T; v: T; zeroLogits?: T};
    attributes: AttentionAttributes & Grouping;
    outputs: [out: T, lse: T, zero?: T];
  };
  ZttGroupedAttentionGradient: {
    inputs: {q: T; k: T; v: T; zeroLogits?: T; out: T; lse: T; dy: T};
    attributes: AttentionAttributes & Grouping;
    outputs: [dq: T, dk: T, dv: T, dZeroLogits?: T];
  };
  /** Attention over strands: [N, D], and with zero logits [N, H] the zero attention [N, H]. */
  ZttStrandAttention: {
    inputs: {q: T; k: T; v: T; zeroLogits?: T};
    attributes: StrandScoreAttributes & {vAt: number};
    outputs: [mixed: T, zero?: T];
  };
  /** The first half of it. The engine alone knows what `weights` and `sums` hold. */
  ZttStrandWeights: {
    inputs: {q: T; k: T; zeroLogits?: T};
    attributes: StrandScoreAttributes;
    outputs: [weights: T, sums: T, zero?: T];
  };
  /** The second half, for the queries whose `kept` is 1: [kept queries, D]. */
  ZttStrandValues: {
    inputs: {v: T; weights: T; sums: T};
    attributes: StrandView & {vAt: number; kept: Int32Array};
    outputs: [mixed: T];
  };
  /** As the three before, of k and v with G d columns. */
  ZttGroupedStrandAttention: {
    inputs: {q: T; k: T; v: T; zeroLogits?: T};
    attributes: StrandScoreAttributes & Grouping & {vAt: number};
    outputs: [mixed: T, zero?: T];
  };
  ZttGroupedStrandWeights: {
    inputs: {q: T; k: T; zeroLogits?: T};
    attributes: StrandScoreAttributes & Grouping;
    outputs: [weights: T, sums: T, zero?: T];
  };
  ZttGroupedStrandValues: {
    inputs: {v: T; weights: T; sums: T};
    attributes: StrandView & Grouping & {vAt: number; kept: Int32Array};
    outputs: [mixed: T];
  };
  /** Writes columns of rows [n, ...] from column `from` on into pool [capacity, C] from row `at` on, in place. */
  ZttAppendRows: {inputs: {pool: T; rows: T}; attributes: {at: number; from: number}; outputs: []};
  /**
   * The weighted cross-entropy of the logits state [N, D] times weight [V, D] transposed, by targets [N] and each row's
   * weight [N], and the gradients by state and weight as far as they are wanted.
   */
  ZttHeadLoss: {
    inputs: {state: T; weight: T; targets: T; weights: T};
    attributes: {gradient: boolean; weightGradient: boolean};
    outputs: [loss: T, dState?: T, dWeight?: T];
  };
  /** The log-probabilities [M] of targets [M] in rows [M] of logits [N, V], and each row's best token [N]. */
  ZttTokenScores: {
    inputs: {logits: T; targets: T; rows: T};
    attributes: None;
    outputs: [logProbabilities: T, best: T];
  };
  /** The sum of squares, a scalar. */
  ZttSumSquares: {inputs: {x: T}; attributes: None; outputs: [sum: T]};
  /** Updates parameter, mean and square in place; a scalar `factor` takes the place of `scale`. */
  ZttAdamW: {
    inputs: {parameter: T; mean: T; square: T; gradient: T; factor?: T};
    attributes: AdamWNumbers;
    outputs: [];
  };
}

export type KernelName = keyof Kernels<unknown>;

/** A kernel of a backend over its tensors T. */
export type Kernel<N extends KernelName, T, Backend> = (
  inputs: Kernels<T>[N]['inputs'],
  attributes: Kernels<T>[N]['attributes'],
  backend: Backend,
) => Kernels<T>[N]['outputs'];

/** Exactly these kernels. */
export type KernelTable<Names extends KernelName, T, Backend> = {[N in Names]: Kernel<N, T, Backend>};

/** The kernels that native and webgpu have. */
const COMMON = [
  'ZttLinear',
  'ZttActivation',
  'ZttActivationGradient',
  'ZttColumnSums',
  'ZttLayerNorm',
  'ZttLayerNormGradient',
  'ZttZeroLogits',
  'ZttZeroLogitsGradient',
  'ZttAttention',
  'ZttAttentionGradient',
  'ZttStrandAttention',
  'ZttStrandWeights',
  'ZttStrandValues',
  'ZttAppendRows',
  'ZttHeadLoss',
  'ZttTokenScores',
  'ZttSumSquares',
  'ZttAdamW',
] as const satisfies readonly KernelName[];

/** The kernels that each engine has. An engine's table has these and no others, or it does not compile. */
export const ENGINE_KERNELS = {
  native: [
    ...COMMON,
    'ZttRmsNorm',
    'ZttRmsNormGradient',
    'ZttRotate',
    'ZttGated',
    'ZttGatedGradient',
    'ZttGroupedAttention',
    'ZttGroupedAttentionGradient',
    'ZttGroupedStrandAttention',
    'ZttGroupedStrandWeights',
    'ZttGroupedStrandValues',
  ],
  webgpu: COMMON,
  tensorflow: ['ZttHeadLoss', 'ZttAdamW'],
  wasm: [],
  cpu: [],
} as const satisfies Record<EngineName, readonly KernelName[]>;

/** The names of an engine's kernels. */
export type KernelsOf<E extends EngineName> = (typeof ENGINE_KERNELS)[E][number];
