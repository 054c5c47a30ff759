import {z} from 'zod';
import {endTokenIds} from '../text-end.js';
import type {Architecture} from '../architecture.js';
import {activationName, count, flag, layerCount, tokenId, VALUE_HEAD, type Family} from './family.js';

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

/** GPT-2: pre-norm, q, k and v fused in a Conv1D, learned positions, usually a tied LM head. */
export const gpt2: Family<'gpt2'> = {
  name: 'gpt2',
  schema,
  architecture(config: unknown): Architecture {
    const c = schema.parse(config);
    return {
      family: 'gpt2',
      layers: c.n_layer,
      width: c.n_embd,
      heads: c.n_head,
      feedForward: c.n_inner ?? 4 * c.n_embd,
      vocabulary: c.vocab_size,
      maxPositions: c.n_positions,
      positionOffset: 0,
      embeddingWidth: c.n_embd,
      activation: c.activation_function,
      normEpsilon: c.layer_norm_epsilon,
      normAffine: true,
      normFirst: true,
      biases: true,
      tied: c.tie_word_embeddings,
      scaleAttention: c.scale_attn_weights,
      inverseLayerScale: c.scale_attn_by_inverse_layer_idx,
      weightLayout: 'io',
      block: {
        qkv: {fused: 'attn.c_attn'},
        attentionOut: 'attn.c_proj',
        attentionNorm: 'ln_1',
        up: 'mlp.c_fc',
        down: 'mlp.c_proj',
        mlpNorm: 'ln_2',
      },
      outer: {tokens: 'wte', positions: 'wpe', projectIn: null, projectOut: null, finalNorm: 'ln_f'},
      bosTokenId: c.bos_token_id ?? null,
      eosTokenIds: c.eos_token_id,
    };
  },
  prefixes: ['transformer.', ''],
  layerPrefix: 'h.',
  layersKey: 'n_layer',
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
};
