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
}

/** A layer's feed-forward network: `plain` is down(activation(up(x))). Module names are relative to the block. */
export interface Mlp {
  kind: 'plain';
  /** F */
  width: number;
  activation: Activation;
  up: LinearModule;
  down: LinearModule;
}

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

/** What all norms of a model compute: `layer` is layer norm, with a weight and a bias if it is affine. */
export interface Norm {
  kind: 'layer';
  epsilon: number;
  affine: boolean;
}

/** One layer of the source model. */
export interface Layer {
  attention: Attention;
  mlp: Mlp;
  norms: NormNames;
}

/** How the model knows a token's place: `learned` adds a row of a table to the embedding. */
export interface Positions {
  kind: 'learned';
  /** The module's name. */
  table: string;
  /** Rows of the table before position 0 (OPT: 2). */
  offset: number;
}

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
  const names = layers.flatMap(({norms}) => NORM_PLACES.map((place) => norms[place]));
  return new Set([...names, lmHead.norm].filter((name) => name !== null));
}
