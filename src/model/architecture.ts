// Letters: D width, H query heads, G key-value heads, d head size, F feed-forward width, E embedding width, V vocabulary.

/** How a linear map's weight is stored. `io`: [in, out] (GPT-2's Conv1D); `oi`: [out, in] (Linear). */
export type WeightLayout = 'io' | 'oi';

/** What stands between the maps of a feed-forward network. `gelu_new` is the tanh form that GPT-2 was trained with. */
export type Activation = 'gelu_new' | 'gelu' | 'relu' | 'silu';

/** A linear map: its module's name, with `.weight` and perhaps `.bias`. */
export interface LinearModule {
  name: string;
  bias: boolean;
}

/** How a layer stores its maps to q, k and v: side by side in one, as H d, G d and G d columns, or each by itself. */
export type QkvModules =
  | {kind: 'columns'; qkv: LinearModule}
  | {kind: 'separate'; q: LinearModule; k: LinearModule; v: LinearModule};

/**
 * Rotary position embedding: dimensions i and i + r / 2 of a head turn against each other by frequency i times the
 * token's place, r being twice the number of frequencies; the others stay.
 */
export interface Rotation {
  /** [r / 2], in radians a place. */
  frequencies: readonly number[];
  /** What cosines and sines are multiplied by (YaRN). */
  factor: number;
}

/** Norms of queries and keys, before they are rotated: of each head by itself, with a weight [d]. */
export interface QkNorm {
  over: 'head';
  /** The modules' names, relative to the block. */
  q: string;
  k: string;
}

/** A layer's attention. Module names are relative to the block. */
export interface Attention {
  qkv: QkvModules;
  out: LinearModule;
  /** The factor on its logits, before it is divided. */
  scale: number;
  /**
   * What the scale is divided by: 1, or the layer's 1-based index with GPT-2's scale_attn_by_inverse_layer_idx. Layers
   * that were averaged have been divided in their weights.
   */
  scaleDivisor: number;
  /** How queries and keys are rotated; null where they are not. */
  rotation: Rotation | null;
  /** The last keys that a token sees, itself among them; null for all. */
  window: number | null;
  /** The norms of queries and keys; null for none. */
  qkNorm: QkNorm | null;
}

/**
 * A layer's feed-forward network: `plain` is down(activation(up(x))), `gated` is down(activation(gate(x)) * up(x)).
 * Module names are relative to the block.
 */
export type Mlp = {
  /** F */
  width: number;
  activation: Activation;
  up: LinearModule;
  down: LinearModule;
} & ({kind: 'plain'} | {kind: 'gated'; gate: LinearModule});

/**
 * Where a norm may stand in a layer: at the input of attention or MLP, at its output before that is added, or after the
 * sum. Pre-norm layers have `attentionIn` and `mlpIn`, post-norm layers (opt-350m) `attentionSum` and `mlpSum`.
 */
export const NORM_PLACES = [
  'attentionIn',
  'attentionOut',
  'attentionSum',
  'mlpIn',
  'mlpOut',
  'mlpSum',
] as const;
export type NormPlace = (typeof NORM_PLACES)[number];

/** For each place, the name of the norm that stands there, relative to the block; null for none. */
export type NormNames = Record<NormPlace, string | null>;

/** What all norms of a model compute: layer norm, with a weight and a bias if it is affine, or RMS norm, with a weight. */
export type Norm = {kind: 'layer'; epsilon: number; affine: boolean} | {kind: 'rms'; epsilon: number};

/** One layer of the source model. */
export interface Layer {
  attention: Attention;
  mlp: Mlp;
  norms: NormNames;
}

/**
 * How the model knows a token's place: `learned` adds a row of a table, by its module's name, to the embedding, with
 * `offset` rows before that of place 0 (OPT: 2); `rotary` leaves it to the layers, see `Attention.rotation`.
 */
export type Positions = {kind: 'learned'; table: string; offset: number} | {kind: 'rotary'};

/** The token embedding. */
export interface Embedding {
  /** The module's name. */
  tokens: string;
  /** E: D, or less with a projection. */
  width: number;
  /** The map from E to D (OPT); null for none. */
  projection: string | null;
}

/** What follows the last layer. */
export interface LmHead {
  /** The norm of the last state; null for none. */
  norm: string | null;
  /** The map from D to E (OPT); null for none. */
  projection: string | null;
  /** Its weight is the token embedding. */
  tied: boolean;
}

/** What a base config says about the network, in parts that are the same for every family. */
export interface Architecture {
  /** The family's name, which is the `model_type` of its configs. */
  family: string;
  /** D */
  width: number;
  /** H */
  heads: number;
  /** G: query head h reads the keys and values of head floor(h G / H). */
  kvHeads: number;
  /** d: H d need not be D. */
  headSize: number;
  /** V */
  vocabulary: number;
  /** The longest sequence, in tokens. */
  maxPositions: number;
  weightLayout: WeightLayout;
  norm: Norm;
  embedding: Embedding;
  positions: Positions;
  /** The source model's layers, in order. Layers that are alike may be one object. */
  layers: readonly Layer[];
  lmHead: LmHead;
  bosTokenId: number | null;
  /** Of config.json: the tokens that end a text; none where it names none. */
  eosTokenIds: readonly number[];
}

/** The factor on a layer's attention logits. */
export const attentionScale = ({scale, scaleDivisor}: Attention): number => scale / scaleDivisor;

/**
 * Whether a layer's attention is what GPT-2's is: every head has keys of its own, which its tokens see from the first on,
 * and the query that meets the zero token is the one that meets the keys. Engines have kernels for that.
 */
export const isPlainAttention = (
  {heads, kvHeads}: Architecture,
  {rotation, window, qkNorm}: Attention,
): boolean => heads === kvHeads && rotation === null && window === null && qkNorm === null;

/** One of q, k and v. */
export type QkvPart = 'q' | 'k' | 'v';

/** The columns of q, k and v: H d, G d and G d. */
export function qkvWidths({
  heads,
  kvHeads,
  headSize,
}: Pick<Architecture, 'heads' | 'kvHeads' | 'headSize'>): Record<QkvPart, number> {
  return {q: heads * headSize, k: kvHeads * headSize, v: kvHeads * headSize};
}

/** The names of all norms, those of blocks relative to the block. */
export function normNames({layers, lmHead}: Architecture): Set<string> {
  const names = layers.flatMap(({attention: {qkNorm}, norms}) => [
    ...NORM_PLACES.map((place) => norms[place]),
    qkNorm?.q ?? null,
    qkNorm?.k ?? null,
  ]);
  return new Set([...names, lmHead.norm].filter((name) => name !== null));
}
