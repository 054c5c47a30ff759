// The addon's functions: the one description of them on this side. `loadBinding` holds it against what the addon says
// of itself (ZTT_ARGUMENTS and ZTT_ENUM in native/src), so that neither side can change alone.

/** Enumerations, each with its members in the order of their numbers. */
export const ENUMS = {
  Unary: [
    'relu',
    'step',
    'square',
    'sqrt',
    'rsqrt',
    'neg',
    'exp',
    'tanh',
    'erf',
    'sigmoid',
    'gelu_new',
    'gelu',
    'silu',
  ],
  Binary: ['add', 'sub', 'mul', 'div'],
  Reduction: ['sum', 'mean', 'max'],
  Activation: ['none', 'gelu_new', 'gelu', 'relu', 'silu'],
} as const satisfies Record<string, readonly string[]>;

type EnumName = keyof typeof ENUMS;

/** The types of arguments, by kind: Float32Arrays may begin anywhere, and the addon works on their memory in place. */
interface Kinds {
  /** A whole number from 0. */
  size: number;
  number: number;
  flag: boolean;
  floats: Float32Array;
  'floats?': Float32Array | null;
  ints: Int32Array;
  /** Whole numbers. */
  sizes: Float64Array;
}

/** Of an enumeration a call takes the member's name. */
type KindOf<K> = K extends EnumName ? (typeof ENUMS)[K][number] : K extends keyof Kinds ? Kinds[K] : never;

/**
 * q [batch, tokens, heads * size], k and v [batch, tokens, kvHeads * size], with tokens `qStride` and `kvStride` elements
 * apart. A query sees the last `window` keys up to its own.
 */
const ATTENTION = {
  batch: 'size',
  tokens: 'size',
  heads: 'size',
  kvHeads: 'size',
  size: 'size',
  window: 'size',
  qStride: 'size',
  q: 'floats',
  kvStride: 'size',
  k: 'floats',
  v: 'floats',
  zeroLogits: 'floats?',
  scale: 'number',
} as const;

/** The zero key [heads, size] meets q [batch, tokens, heads * size], with tokens `stride` elements apart. */
const ZERO_LOGITS = {
  batch: 'size',
  tokens: 'size',
  heads: 'size',
  size: 'size',
  stride: 'size',
  q: 'floats',
  zeroKey: 'floats',
  scale: 'number',
} as const;

/** See `struct Strands` in native/src/kernels/ops.h. */
const STRANDS = {
  queries: 'size',
  heads: 'size',
  kvHeads: 'size',
  size: 'size',
  window: 'size',
  scale: 'number',
  strands: 'ints',
  ranges: 'ints',
  seen: 'ints',
} as const;

const SCORES = {
  ...STRANDS,
  keyRows: 'size',
  qStride: 'size',
  q: 'floats',
  kStride: 'size',
  k: 'floats',
  zeroLogits: 'floats?',
} as const;

/** Every function's arguments: their names in order, and their kinds. Outputs come last, and are written. */
const CALLS = {
  /** Threads for the next calls, the caller's included. */
  setThreads: {threads: 'size'},
  threads: {},
  /** The instruction set in use. */
  cpu: {},
  /** Whether it was built with a sanitizer, which must see each tensor's bounds. */
  sanitized: {},
  /** Aligned memory of at most 2^30 floats; what is in it is left over. */
  allocate: {length: 'size'},
  /** 2 x the multiply-adds of all products of matrices so far, without padding. */
  flops: {},

  /** c [batch, m, n]; a stride of 0 shares one matrix. */
  matMul: {
    batch: 'size',
    transposeA: 'flag',
    transposeB: 'flag',
    m: 'size',
    n: 'size',
    k: 'size',
    a: 'floats',
    strideA: 'size',
    b: 'floats',
    strideB: 'size',
    c: 'floats',
  },
  /** y = activation(x w + bias), and `before` the activation's input; rows of w are `strideW` apart. */
  linear: {
    transposeW: 'flag',
    m: 'size',
    n: 'size',
    k: 'size',
    x: 'floats',
    w: 'floats',
    strideW: 'size',
    bias: 'floats?',
    activation: 'Activation',
    y: 'floats',
    before: 'floats?',
  },

  unary: {op: 'Unary', x: 'floats', y: 'floats'},
  /** `shape`: outer, inner, and the outer and inner stride of a and of b. */
  binary: {op: 'Binary', shape: 'sizes', a: 'floats', b: 'floats', y: 'floats'},
  reduce: {op: 'Reduction', rows: 'size', n: 'size', x: 'floats', y: 'floats'},
  softmax: {rows: 'size', n: 'size', x: 'floats', y: 'floats'},
  argMax: {rows: 'size', n: 'size', x: 'floats', y: 'ints'},
  /** The log-probability of each target, in the row of logits [rows, n] that `places` says; the best of each row. */
  tokenScores: {
    rows: 'size',
    n: 'size',
    logits: 'floats',
    places: 'ints',
    targets: 'ints',
    logProbabilities: 'floats',
    best: 'ints',
  },
  sumSquares: {x: 'floats'},
  columnSums: {rows: 'size', n: 'size', x: 'floats', y: 'floats'},
  fill: {value: 'number', y: 'floats'},
  /** `block`: four sizes, four strides of x, four of y, the first element in x and in y. */
  copy: {block: 'sizes', x: 'floats', y: 'floats'},
  gatherRows: {n: 'size', rows: 'size', size: 'size', table: 'floats', ids: 'ints', y: 'floats'},
  scatterAdd: {n: 'size', rows: 'size', size: 'size', ids: 'ints', dy: 'floats', tableGrad: 'floats'},

  layerNorm: {
    rows: 'size',
    n: 'size',
    x: 'floats',
    weight: 'floats?',
    bias: 'floats?',
    epsilon: 'number',
    y: 'floats',
    stats: 'floats',
  },
  layerNormGrad: {
    rows: 'size',
    n: 'size',
    x: 'floats',
    stats: 'floats',
    weight: 'floats?',
    dy: 'floats',
    dx: 'floats',
    weightGrad: 'floats?',
    biasGrad: 'floats?',
  },
  /** y = x (weight + offset) / root of the mean square; stats [rows]: 1 / that root. */
  rmsNorm: {
    rows: 'size',
    n: 'size',
    x: 'floats',
    weight: 'floats',
    offset: 'number',
    epsilon: 'number',
    y: 'floats',
    stats: 'floats',
  },
  rmsNormGrad: {
    rows: 'size',
    n: 'size',
    x: 'floats',
    stats: 'floats',
    weight: 'floats',
    offset: 'number',
    dy: 'floats',
    dx: 'floats',
    weightGrad: 'floats?',
  },
  /** Heads of x [rows, heads, size]; row r is at place r % places of the tables [places, half]. */
  rotate: {
    rows: 'size',
    places: 'size',
    heads: 'size',
    size: 'size',
    half: 'size',
    x: 'floats',
    cosines: 'floats',
    sines: 'floats',
    back: 'flag',
    y: 'floats',
  },
  /** y = activation(gate) up. */
  gated: {activation: 'Activation', gate: 'floats', up: 'floats', y: 'floats'},
  gatedGrad: {
    activation: 'Activation',
    gate: 'floats',
    up: 'floats',
    dy: 'floats',
    gateGrad: 'floats',
    upGrad: 'floats',
  },
  activationGrad: {activation: 'Activation', z: 'floats', dy: 'floats', dz: 'floats'},
  /** `options`: gradient scale, rate, beta1, beta2, epsilon, square correction, decay. */
  adamW: {parameter: 'floats', mean: 'floats', square: 'floats', gradient: 'floats', options: 'floats'},
  /** `logits` and their gradient: [batch, heads, tokens]. The gradient is added to qGrad. */
  zeroLogits: {...ZERO_LOGITS, logits: 'floats'},
  zeroLogitsGrad: {...ZERO_LOGITS, logitsGrad: 'floats', qGrad: 'floats', zeroGrad: 'floats'},
  attention: {...ATTENTION, out: 'floats', lse: 'floats', zero: 'floats?'},
  attentionGrad: {
    ...ATTENTION,
    out: 'floats',
    lse: 'floats',
    outGrad: 'floats',
    qGrad: 'floats',
    kGrad: 'floats',
    vGrad: 'floats',
    zeroGrad: 'floats?',
  },
  /** `inverse` and `zero`: [queries, heads]. */
  strandAttention: {
    ...SCORES,
    vStride: 'size',
    v: 'floats',
    out: 'floats',
    inverse: 'floats',
    zero: 'floats?',
  },
  strandWeights: {...SCORES, weights: 'floats', inverse: 'floats', zero: 'floats?'},
  strandValues: {
    ...STRANDS,
    valueRows: 'size',
    vStride: 'size',
    v: 'floats',
    kept: 'ints',
    weights: 'floats',
    inverse: 'floats',
    out: 'floats',
  },
  /** The loss, and the gradients where they are not null; `logits` is to work in. */
  headLoss: {
    rows: 'size',
    width: 'size',
    vocabulary: 'size',
    chunk: 'size',
    state: 'floats',
    weight: 'floats',
    targets: 'ints',
    rowWeights: 'floats',
    logits: 'floats',
    stateGrad: 'floats?',
    weightGrad: 'floats?',
  },
} as const satisfies Record<string, Record<string, keyof Kinds | EnumName>>;

/** What functions return; nothing unless it is here. */
interface Results {
  threads: number;
  cpu: string;
  sanitized: boolean;
  allocate: Float32Array;
  flops: number;
  sumSquares: number;
  headLoss: number;
}

type CallName = keyof typeof CALLS;

/** A function's arguments, by name. */
export type Arguments<N extends CallName> = {
  -readonly [A in keyof (typeof CALLS)[N]]: KindOf<(typeof CALLS)[N][A]>;
};

/**
 * The addon's functions, with their arguments by name. Each checks its arguments before it touches memory, and throws a
 * RangeError where they do not fit.
 */
export type Binding = {
  [N in CallName]: (
    ...args: keyof Arguments<N> extends never ? [] : [named: Arguments<N>]
  ) => N extends keyof Results ? Results[N] : void;
};

/** The names of every function's arguments, in order. */
export const ARGUMENTS: Record<string, readonly string[]> = Object.fromEntries(
  Object.entries(CALLS).map(([name, kinds]) => [name, Object.keys(kinds)]),
);

/** The functions with their arguments by name, over those with their arguments by place. */
export function byName(addon: Record<string, (...args: unknown[]) => unknown>): Binding {
  const functions = Object.entries<Record<string, string>>(CALLS).map(([name, kinds]) => {
    const call = addon[name]!;
    const names = Object.keys(kinds);
    const numbers = Object.values(kinds).map((kind) => (kind in ENUMS ? numbersOf(kind as EnumName) : null));
    // A loop over places takes a third of what mapping and spreading does; small calls take less than that.
    return [
      name,
      (named: Record<string, unknown>) => {
        const args = new Array<unknown>(names.length);
        for (let i = 0; i < names.length; i++) {
          const value = named[names[i]!];
          const members = numbers[i];
          args[i] = members ? members[value as string] : value;
        }
        return Reflect.apply(call, undefined, args);
      },
    ];
  });
  return Object.fromEntries(functions) as Binding;
}

/** The number of each member of an enumeration. */
const numbersOf = (name: EnumName): Record<string, number> =>
  Object.fromEntries(ENUMS[name].map((member, i) => [member, i]));
