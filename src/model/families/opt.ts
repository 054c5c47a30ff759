import {z} from 'zod';
import type {Architecture, Layer, NormNames} from '../architecture.js';
import {endTokenIds} from '../text-end.js';
import {VALUE_HEAD, type Family} from './family.js';
import {activationName, count, flag, initialStd, layerCount, tokenId} from './schema.js';

const schema = z.object({
  vocab_size: count,
  max_position_embeddings: count,
  hidden_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count,
  ffn_dim: count,
  word_embed_proj_dim: count.nullish(),
  activation_function: activationName.default('relu'),
  do_layer_norm_before: flag(true),
  _remove_final_layer_norm: flag(false),
  enable_bias: flag(true),
  layer_norm_elementwise_affine: flag(true),
  tie_word_embeddings: flag(true),
  bos_token_id: tokenId,
  eos_token_id: endTokenIds,
});

const initialValues = z
  .object({init_std: initialStd, pad_token_id: tokenId})
  .transform(({init_std: std, pad_token_id: padding}) => ({
    std,
    residualStd: std,
    paddingRow: padding ?? null,
  }));

function architectureOf(c: z.output<typeof schema>): Architecture {
  const embeddingWidth = c.word_embed_proj_dim ?? c.hidden_size;
  const projected = embeddingWidth !== c.hidden_size;
  const headSize = c.hidden_size / c.num_attention_heads;
  const linear = (name: string) => ({name, bias: c.enable_bias});
  const layer: Layer = {
    attention: {
      qkv: {
        kind: 'separate',
        q: linear('self_attn.q_proj'),
        k: linear('self_attn.k_proj'),
        v: linear('self_attn.v_proj'),
      },
      out: linear('self_attn.out_proj'),
      scale: 1 / Math.sqrt(headSize),
      scaleDivisor: 1,
      rotation: null,
      window: null,
      qkNorm: null,
    },
    mlp: {
      kind: 'plain',
      width: c.ffn_dim,
      activation: c.activation_function,
      up: linear('fc1'),
      down: linear('fc2'),
    },
    norms: normsOf(c.do_layer_norm_before),
  };
  return {
    family: opt.name,
    width: c.hidden_size,
    heads: c.num_attention_heads,
    kvHeads: c.num_attention_heads,
    headSize,
    vocabulary: c.vocab_size,
    maxPositions: c.max_position_embeddings,
    weightLayout: 'oi',
    norm: {kind: 'layer', epsilon: 1e-5, affine: c.layer_norm_elementwise_affine},
    embedding: {
      tokens: 'embed_tokens',
      width: embeddingWidth,
      projection: projected ? 'project_in' : null,
    },
    positions: {kind: 'learned', table: 'embed_positions', offset: 2},
    layers: new Array<Layer>(c.num_hidden_layers).fill(layer),
    lmHead: {
      norm: c.do_layer_norm_before && !c._remove_final_layer_norm ? 'final_layer_norm' : null,
      projection: projected ? 'project_out' : null,
      tied: c.tie_word_embeddings,
    },
    bosTokenId: c.bos_token_id ?? null,
    eosTokenIds: c.eos_token_id,
  };
}

/** The norms stand before attention and MLP, or after the sums (opt-350m). */
function normsOf(before: boolean): NormNames {
  const [attention, mlp] = ['self_attn_layer_norm', 'final_layer_norm'];
  return {
    attentionIn: before ? attention : null,
    attentionOut: null,
    attentionSum: before ? null : attention,
    mlpIn: before ? mlp : null,
    mlpOut: null,
    mlpSum: before ? null : mlp,
  };
}

/** OPT: separate q, k and v, positions offset by 2, pre-norm or (opt-350m) post-norm with a narrower embedding. */
export const opt: Family = {
  name: 'opt',
  title: 'OPT',
  classPrefix: 'OPT',
  architecture: schema.transform(architectureOf),
  prefixes: ['model.decoder.', 'decoder.', 'model.', ''],
  layerPrefix: 'layers.',
  leftOut: [
    {names: /^version$/, what: "a buffer: fairseq's format version, which the first conversions kept"},
    VALUE_HEAD,
  ],
  withLayers: (config, layers) => ({...config, num_hidden_layers: layers.length}),
  initialValues,
};
