import {z} from 'zod';
import {endTokenIds} from '../text-end.js';
import type {Architecture} from '../architecture.js';
import {activationName, count, flag, layerCount, tokenId, VALUE_HEAD, type Family} from './family.js';

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

/** OPT: separate q, k and v, positions offset by 2, pre-norm or (opt-350m) post-norm with a narrower embedding. */
export const opt: Family<'opt'> = {
  name: 'opt',
  schema,
  architecture(config: unknown): Architecture {
    const c = schema.parse(config);
    const embeddingWidth = c.word_embed_proj_dim ?? c.hidden_size;
    const projected = embeddingWidth !== c.hidden_size;
    return {
      family: 'opt',
      layers: c.num_hidden_layers,
      width: c.hidden_size,
      heads: c.num_attention_heads,
      feedForward: c.ffn_dim,
      vocabulary: c.vocab_size,
      maxPositions: c.max_position_embeddings,
      positionOffset: 2,
      embeddingWidth,
      activation: c.activation_function,
      normEpsilon: 1e-5,
      normAffine: c.layer_norm_elementwise_affine,
      normFirst: c.do_layer_norm_before,
      biases: c.enable_bias,
      tied: c.tie_word_embeddings,
      scaleAttention: true,
      inverseLayerScale: false,
      weightLayout: 'oi',
      block: {
        qkv: {q: 'self_attn.q_proj', k: 'self_attn.k_proj', v: 'self_attn.v_proj'},
        attentionOut: 'self_attn.out_proj',
        attentionNorm: 'self_attn_layer_norm',
        up: 'fc1',
        down: 'fc2',
        mlpNorm: 'final_layer_norm',
      },
      outer: {
        tokens: 'embed_tokens',
        positions: 'embed_positions',
        projectIn: projected ? 'project_in' : null,
        projectOut: projected ? 'project_out' : null,
        finalNorm: c.do_layer_norm_before && !c._remove_final_layer_norm ? 'final_layer_norm' : null,
      },
      bosTokenId: c.bos_token_id ?? null,
      eosTokenIds: c.eos_token_id,
    };
  },
  prefixes: ['model.decoder.', 'decoder.', 'model.', ''],
  layerPrefix: 'layers.',
  layersKey: 'num_hidden_layers',
  leftOut: [
    {names: /^version$/, what: "a buffer: fairseq's format version, which the first conversions kept"},
    VALUE_HEAD,
  ],
};
