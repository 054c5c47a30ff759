/** Tensors of one linear map. `io`: weight [in, out] (GPT-2's Conv1D); `oi`: weight [out, in] (Linear). */
export type WeightLayout = 'io' | 'oi';

export type Activation = 'gelu_new' | 'gelu' | 'relu' | 'silu';

/** A parameter by its name and shape. */
export interface TensorSpec {
  name: string;
  shape: number[];
}

/** The names of a block's modules, relative to the block; each has `.weight` and perhaps `.bias`. */
export interface BlockModules {
  /** One fused projection to q, k and v, or one projection each. */
  qkv: {fused: string} | {q: string; k: string; v: string};
  attentionOut: string;
  attentionNorm: string;
  up: string;
  down: string;
  mlpNorm: string;
}

/** The names of what surrounds the blocks. */
export interface OuterModules {
  tokens: string;
  positions: string;
  /** OPT's maps between a narrower embedding and the blocks' width. */
  projectIn: string | null;
  projectOut: string | null;
  finalNorm: string | null;
}

/**
 * What a base config says about the network, in the same words for every family.
 * D width, H heads, F feed-forward width, V vocabulary.
 */
export interface Architecture {
  family: 'gpt2' | 'opt';
  layers: number;
  /** D */
  width: number;
  /** H; the head size is D / H. */
  heads: number;
  /** F */
  feedForward: number;
  /** V */
  vocabulary: number;
  /** The longest sequence, in tokens. */
  maxPositions: number;
  /** Rows of the position table before position 0 (OPT: 2). */
  positionOffset: number;
  /** Width of the token embedding: D, or less with OPT's projections. */
  embeddingWidth: number;
  activation: Activation;
  normEpsilon: number;
  /** Norms have a weight and a bias. */
  normAffine: boolean;
  /** Norms before attention and MLP (GPT-2, most of OPT) or after (opt-350m). */
  normFirst: boolean;
  biases: boolean;
  /** The LM head is the token embedding. */
  tied: boolean;
  /** Attention logits are divided by sqrt(D / H). */
  scaleAttention: boolean;
  /** Attention logits are divided by the source layer's 1-based index (GPT-2's scale_attn_by_inverse_layer_idx). */
  inverseLayerScale: boolean;
  weightLayout: WeightLayout;
  block: BlockModules;
  outer: OuterModules;
  bosTokenId: number | null;
  /** Of config.json: the tokens that end a text; none where it names none. */
  eosTokenIds: readonly number[];
}

/** A linear map of a block: the module's name relative to it, and its sizes. */
export interface LinearSpec {
  name: string;
  inputs: number;
  outputs: number;
  of: 'attention' | 'mlp';
}

/** The linear maps of one block. */
export function blockLinears({width: D, feedForward: F, block}: Architecture): LinearSpec[] {
  const qkv = 'fused' in block.qkv ? [block.qkv.fused] : Object.values(block.qkv);
  const outputs = (3 * D) / qkv.length;
  return [
    ...qkv.map((name) => ({name, inputs: D, outputs, of: 'attention' as const})),
    {name: block.attentionOut, inputs: D, outputs: D, of: 'attention'},
    {name: block.up, inputs: D, outputs: F, of: 'mlp'},
    {name: block.down, inputs: F, outputs: D, of: 'mlp'},
  ];
}

/** The parameters of one block, by names relative to it. */
export function blockTensors(arch: Architecture): TensorSpec[] {
  const {width: D, block} = arch;
  const linears = (part: LinearSpec['of']) =>
    blockLinears(arch)
      .filter(({of}) => of === part)
      .flatMap(({name, inputs, outputs}) => linear(arch, name, inputs, outputs));
  return [
    ...norm(arch, block.attentionNorm, D),
    ...linears('attention'),
    ...norm(arch, block.mlpNorm, D),
    ...linears('mlp'),
  ];
}

/** The parameters around the blocks, by their names. */
export function outerTensors(arch: Architecture): TensorSpec[] {
  const {width: D, embeddingWidth: E, vocabulary: V, outer} = arch;
  const projection = (name: string | null, input: number, output: number) =>
    name === null ? [] : [{name: `${name}.weight`, shape: [output, input]}];
  return [
    {name: `${outer.tokens}.weight`, shape: [V, E]},
    {name: `${outer.positions}.weight`, shape: [arch.maxPositions + arch.positionOffset, D]},
    ...projection(outer.projectIn, E, D),
    ...projection(outer.projectOut, D, E),
    ...(outer.finalNorm === null ? [] : norm(arch, outer.finalNorm, D)),
    ...(arch.tied ? [] : [{name: LM_HEAD, shape: [V, E]}]),
  ];
}

/** The LM head's weight, where it is not the embedding. */
export const LM_HEAD = 'lm_head.weight';

function linear(arch: Architecture, name: string, input: number, output: number): TensorSpec[] {
  const shape = arch.weightLayout === 'io' ? [input, output] : [output, input];
  return [{name: `${name}.weight`, shape}, ...(arch.biases ? [{name: `${name}.bias`, shape: [output]}] : [])];
}

function norm(arch: Architecture, name: string, width: number): TensorSpec[] {
  if (!arch.normAffine) return [];
  return [
    {name: `${name}.weight`, shape: [width]},
    {name: `${name}.bias`, shape: [width]},
  ];
}
