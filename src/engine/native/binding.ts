import {existsSync} from 'node:fs';
import {hasAddon, PACKAGE, requireAddon} from '../../addon.js';

/** Float32Arrays of any offset; the addon reads and writes their memory in place. */
type Floats = Float32Array;

/**
 * The addon's functions: the one typed seam to `native/src/bind_*.cc`. Every one checks its arguments before it
 * touches memory and throws a RangeError where they do not fit. Outputs come last, and are written.
 */
export interface Binding {
  /** Threads for the next calls, the caller's included. */
  setThreads(count: number): void;
  threads(): number;
  /** The instruction set in use. */
  cpu(): string;
  /** Whether it was built with a sanitizer, which must see each tensor's bounds. */
  sanitized(): boolean;
  /** Aligned memory; what is in it is left over. */
  allocate(length: number): Floats;

  /** c [batch, m, n]; a stride of 0 shares one matrix. */
  matMul(
    batch: number,
    transposeA: boolean,
    transposeB: boolean,
    m: number,
    n: number,
    k: number,
    a: Floats,
    strideA: number,
    b: Floats,
    strideB: number,
    c: Floats,
  ): void;
  /** y = activation(x w + bias), and `before` what the activation takes; rows of w are `strideW` apart. */
  linear(
    transposeW: boolean,
    m: number,
    n: number,
    k: number,
    x: Floats,
    w: Floats,
    strideW: number,
    bias: Floats | null,
    activation: number,
    y: Floats,
    before: Floats | null,
  ): void;

  unary(op: number, x: Floats, y: Floats): void;
  /** `shape`: outer, inner, and the outer and inner stride of a and of b. */
  binary(op: number, shape: Float64Array, a: Floats, b: Floats, y: Floats): void;
  reduce(op: number, rows: number, n: number, x: Floats, y: Floats): void;
  softmax(rows: number, n: number, x: Floats, y: Floats): void;
  argMax(rows: number, n: number, x: Floats, y: Int32Array): void;
  /** For each target, in the row of logits [rows, n] that `places` says, its log-probability; for each row its largest. */
  tokenScores(
    rows: number,
    n: number,
    logits: Floats,
    places: Int32Array,
    targets: Int32Array,
    logProbabilities: Floats,
    best: Int32Array,
  ): void;
  sumSquares(x: Floats): number;
  columnSums(rows: number, n: number, x: Floats, y: Floats): void;
  fill(value: number, y: Floats): void;
  /** `block`: four sizes, four strides of x, four of y, where it starts in x and in y. */
  copy(block: Float64Array, x: Floats, y: Floats): void;
  gatherRows(n: number, rows: number, size: number, table: Floats, ids: Int32Array, y: Floats): void;
  scatterAdd(n: number, rows: number, size: number, ids: Int32Array, dy: Floats, tableGrad: Floats): void;

  layerNorm(
    rows: number,
    n: number,
    x: Floats,
    weight: Floats | null,
    bias: Floats | null,
    epsilon: number,
    y: Floats,
    stats: Floats,
  ): void;
  layerNormGrad(
    rows: number,
    n: number,
    x: Floats,
    stats: Floats,
    weight: Floats | null,
    dy: Floats,
    dx: Floats,
    weightGrad: Floats | null,
    biasGrad: Floats | null,
  ): void;
  activationGrad(activation: number, z: Floats, dy: Floats, dz: Floats): void;
  /** `options`: gradient scale, rate, beta1, beta2, epsilon, square correction, decay. */
  adamW(parameter: Floats, mean: Floats, square: Floats, gradient: Floats, options: Floats): void;
  attention(...args: [...AttentionArguments, out: Floats, lse: Floats, zeroAttention: Floats | null]): void;
  attentionGrad(
    ...args: [
      ...AttentionArguments,
      out: Floats,
      lse: Floats,
      outGrad: Floats,
      qGrad: Floats,
      kGrad: Floats,
      vGrad: Floats,
      zeroGrad: Floats | null,
    ]
  ): void;
  strandAttention(
    ...args: [...StrandArguments, ...ScoreArguments, vStride: number, v: Floats, out: Floats, ...StrandSums]
  ): void;
  strandWeights(...args: [...StrandArguments, ...ScoreArguments, weights: Floats, ...StrandSums]): void;
  strandValues(
    ...args: [
      ...StrandArguments,
      valueRows: number,
      vStride: number,
      v: Floats,
      kept: Int32Array,
      weights: Floats,
      inverse: Floats,
      out: Floats,
    ]
  ): void;
  /** 2 x the multiply-adds of all products of matrices so far, without padding. */
  flops(): number;
  /** The loss, and the gradients where they are not null; `logits` is to work in. */
  headLoss(
    rows: number,
    width: number,
    vocabulary: number,
    chunk: number,
    state: Floats,
    weight: Floats,
    targets: Int32Array,
    rowWeights: Floats,
    logits: Floats,
    stateGrad: Floats | null,
    weightGrad: Floats | null,
  ): number;
}

/** q, k and v [batch, tokens, heads * size], with tokens `stride` elements apart. */
export type AttentionArguments = [
  batch: number,
  tokens: number,
  heads: number,
  size: number,
  stride: number,
  q: Floats,
  k: Floats,
  v: Floats,
  zeroKey: Floats | null,
  scale: number,
];

/** See `struct Strands` in native/src/kernels/ops.h. */
export type StrandArguments = [
  queries: number,
  heads: number,
  size: number,
  scale: number,
  strands: Int32Array,
  ranges: Int32Array,
  seen: Int32Array,
];

export type ScoreArguments = [
  keyRows: number,
  qStride: number,
  q: Floats,
  kStride: number,
  k: Floats,
  zeroKey: Floats | null,
];

/** Each [queries, heads]. */
export type StrandSums = [inverse: Floats, zeroAttention: Floats | null];

/** As `enum class Unary` in native/src/kernels/kernels.h. */
export const UNARY = {
  relu: 0,
  step: 1,
  square: 2,
  sqrt: 3,
  rsqrt: 4,
  neg: 5,
  exp: 6,
  tanh: 7,
  erf: 8,
  sigmoid: 9,
  gelu_new: 10,
  gelu: 11,
  silu: 12,
} as const;

/** As `enum class Binary`. */
export const BINARY = {add: 0, sub: 1, mul: 2, div: 3} as const;

/** As `enum class Reduction`. */
export const REDUCTION = {sum: 0, mean: 1, max: 2} as const;

/** As `enum class Activation` in native/src/gemm.h. */
export const ACTIVATION = {none: 0, gelu_new: 1, gelu: 2, relu: 3, silu: 4} as const;

const BUILD = new URL('native/build.mjs', PACKAGE);

/** What `native/build.mjs` exports. */
interface BuildModule {
  buildNative: (options: {
    quiet: boolean;
  }) => Promise<{ok: true; built: boolean} | {ok: false; reason: string}>;
}

let loaded: Binding | undefined;

/**
 * The addon, built first where it is not yet.
 * @returns the binding and whether it was built just now, or why it cannot be had
 */
export async function loadBinding(): Promise<
  {ok: true; binding: Binding; built: boolean} | {ok: false; reason: string}
> {
  if (loaded) return {ok: true, binding: loaded, built: false};
  let built = false;
  if (!hasAddon()) {
    if (!existsSync(BUILD)) return {ok: false, reason: 'this installation lacks native/build.mjs'};
    const {buildNative} = (await import(BUILD.href)) as BuildModule;
    const result = await buildNative({quiet: true});
    if (!result.ok) return result;
    built = result.built;
  }
  try {
    loaded = requireAddon() as Binding;
  } catch (error) {
    return {ok: false, reason: `the addon does not load: ${(error as Error).message}`};
  }
  return {ok: true, binding: loaded, built};
}
