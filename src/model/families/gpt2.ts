import {z} from 'zod';
import {UsageError} from '../../errors.js';
import {checkOption, checkOptions, withDefaults, type OptionsOf} from '../../options/index.js';
import {HEAD_WIDTH, SIZE_OPTIONS} from '../options.js';
import type {Architecture, Layer, LinearModule} from '../architecture.js';
import {endTokenIds} from '../text-end.js';
import {isEveryLayer, VALUE_HEAD, type Family} from './family.js';
import {activationName, count, flag, initialStd, layerCount, tokenId} from './schema.js';

const schema = z.object({
  vocab_size: count,
  n_positions: count,
  n_embd: count,
  n_layer: layerCount,
  n_head: count,
  n_inner: count.nullish(),
  activation_function: activationName.default('gelu_new'),
  layer_norm_epsilon: z.number().positive().default(1e-5),
  scale_attn_weights: flag(true),
  scale_attn_by_inverse_layer_idx: flag(false),
  add_cross_attention: z.literal(false, 'cross-attention is not supported').nullish(),
  tie_word_embeddings: flag(true),
  bos_token_id: tokenId,
  eos_token_id: endTokenIds,
});

const initialValues = z
  .object({n_layer: layerCount, initializer_range: initialStd})
  .transform(({n_layer: layers, initializer_range: std}) => ({
    std,
    residualStd: std / Math.sqrt(2 * layers),
    paddingRow: null,
  }));

const linear = (name: string): LinearModule => ({name, bias: true});

function architectureOf(c: z.output<typeof schema>): Architecture {
  const headSize = c.n_embd / c.n_head;
  const layer = (scaleDivisor: number): Layer => ({
    attention: {
      qkv: {kind: 'columns', qkv: linear('attn.c_attn')},
      out: linear('attn.c_proj'),
      scale: c.scale_attn_weights ? 1 / Math.sqrt(headSize) : 1,
      scaleDivisor,
      rotation: null,
      window: null,
      qkNorm: null,
    },
    mlp: {
      kind: 'plain',
      width: c.n_inner ?? 4 * c.n_embd,
      activation: c.activation_function,
      up: linear('mlp.c_fc'),
      down: linear('mlp.c_proj'),
    },
    norms: {
      attentionIn: 'ln_1',
      attentionOut: null,
      attentionSum: null,
      mlpIn: 'ln_2',
      mlpOut: null,
      mlpSum: null,
    },
  });
  return {
    family: gpt2.name,
    width: c.n_embd,
    heads: c.n_head,
    kvHeads: c.n_head,
    headSize,
    vocabulary: c.vocab_size,
    maxPositions: c.n_positions,
    weightLayout: 'io',
    norm: {kind: 'layer', epsilon: c.layer_norm_epsilon, affine: true},
    embedding: {tokens: 'wte', width: c.n_embd, projection: null},
    positions: {kind: 'learned', table: 'wpe', offset: 0},
    layers: c.scale_attn_by_inverse_layer_idx
      ? Array.from({length: c.n_layer}, (_, i) => layer(i + 1))
      : new Array<Layer>(c.n_layer).fill(layer(1)),
    lmHead: {norm: 'ln_f', projection: null, tied: c.tie_word_embeddings},
    bosTokenId: c.bos_token_id ?? null,
    eosTokenIds: c.eos_token_id,
  };
}

/** GPT-2: pre-norm, q, k and v fused in a Conv1D, learned positions, usually a tied LM head. */
export const gpt2: Family = {
  name: 'gpt2',
  title: 'GPT-2',
  classPrefix: 'GPT2',
  architecture: schema.transform(architectureOf),
  prefixes: ['transformer.', ''],
  layerPrefix: 'h.',
  leftOut: [
    {
      names: /^h\.\d+\.attn\.bias$/,
      what: 'a buffer: the causal mask, which older Transformers saved as if it were a weight',
    },
    {
      names: /^h\.\d+\.attn\.masked_bias$/,
      what: "a buffer: the causal mask's fill value, which older Transformers saved as if it were a weight",
    },
    {
      names: /^multiple_choice_head\.summary\.(weight|bias)$/,
      what: "the head of another task: GPT2DoubleHeadsModel's choice among answers",
    },
    VALUE_HEAD,
  ],
  withLayers(config, layers) {
    const divided = config.scale_attn_by_inverse_layer_idx === true;
    const whole = isEveryLayer(layers, Number(config.n_layer));
    return {
      ...config,
      n_layer: layers.length,
      ...(divided && !whole && {scale_attn_by_inverse_layer_idx: false}),
    };
  },
  initialValues,
};

/** The sizes of a GPT-2; what is not said is as in the smallest one that was published. */
export type Gpt2Sizes = OptionsOf<typeof SIZE_OPTIONS>;

/**
 * The config of a GPT-2 of these sizes, but for its vocabulary.
 * @throws UsageError naming the size that cannot be
 */
export function gpt2OfSizes(sizes: Gpt2Sizes) {
  checkOptions(SIZE_OPTIONS, sizes);
  const {layers, width, heads, positions} = withDefaults(SIZE_OPTIONS, sizes);
  const parts = heads ?? Math.max(1, Math.round(width / HEAD_WIDTH));
  checkOption('heads', {...SIZE_OPTIONS.heads, max: width}, parts);
  if (width % parts !== 0) {
    throw new UsageError(`width is ${width}; it must be a multiple of heads, which is ${parts}.`);
  }
  return {model_type: gpt2.name, n_layer: layers, n_embd: width, n_head: parts, n_positions: positions};
}
