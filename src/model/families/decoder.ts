import {z} from 'zod';
import type {Architecture, Layer, LinearModule, QkNorm, Rotation} from '../architecture.js';
import {endTokenIds} from '../text-end.js';
import {isEveryLayer, VALUE_HEAD, type Family, type LeftOut} from './family.js';
import {rotaryKeys, rotatedSize, rotationOf} from './rotation.js';
import {activationName, count, initialStd, layerCount, tokenId} from './schema.js';

// What the families after Llama have in common: pre-norm with RMS norms, rotated queries and keys, grouped key-value heads,
// a gated feed-forward network, and Llama's names.

/** The keys of a config that all of them have. */
export const decoderKeys = {
  ...rotaryKeys,
  vocab_size: count,
  hidden_size: count,
  num_hidden_layers: layerCount,
  num_attention_heads: count.max(65_536),
  num_key_value_heads: count.nullish(),
  head_dim: count.max(65_536).nullish(),
  intermediate_size: count,
  hidden_act: activationName.default('silu'),
  rms_norm_eps: z.number().positive().default(1e-6),
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenId,
  eos_token_id: endTokenIds,
};

type DecoderConfig = z.output<z.ZodObject<typeof decoderKeys>>;

/** The key that says for each layer whether it sees all keys or those of a window. */
export const layerTypes = z.array(z.enum(['full_attention', 'sliding_attention'])).nullish();

/** What a family says beyond the config's common keys. */
export interface DecoderOptions {
  family: string;
  /** d, where the config says nothing; D / H unless given. */
  headSize?: number;
  /** The base of the rotation's frequencies, where the config says nothing. */
  theta?: number;
  /** Whether the LM head is the token embedding, where the config says nothing. */
  tied?: boolean;
  biases?: {qkv?: boolean; out?: boolean; mlp?: boolean};
  qkNorm?: QkNorm;
  /** For each layer, how many keys a token sees, itself among them; null for all. */
  windows?: readonly (number | null)[];
  /** For each layer, whether its queries and keys are rotated; all unless given. */
  rotates?: readonly boolean[];
}

const sizesOf = (c: DecoderConfig, headSize?: number) => ({
  heads: c.num_attention_heads,
  kvHeads: c.num_key_value_heads ?? c.num_attention_heads,
  headSize: c.head_dim ?? headSize ?? c.hidden_size / c.num_attention_heads,
});

/** Whether the sizes of a config fit each other. */
export function checkDecoder(
  c: DecoderConfig & {layer_types?: readonly string[] | null},
  context: z.RefinementCtx,
  headSize?: number,
): void {
  const {heads, kvHeads, headSize: d} = sizesOf(c, headSize);
  if (heads % kvHeads !== 0) {
    context.addIssue(`num_attention_heads ${heads} is no multiple of num_key_value_heads ${kvHeads}`);
  }
  if (!Number.isInteger(d)) {
    context.addIssue(`hidden_size ${c.hidden_size} is no multiple of num_attention_heads ${heads}`);
  } else if (rotatedSize(c, d) % 2 !== 0 || rotatedSize(c, d) === 0) {
    context.addIssue(
      `${rotatedSize(c, d)} of a head's ${d} dimensions would be rotated; it must be an even number`,
    );
  }
  if (c.layer_types && c.layer_types.length !== c.num_hidden_layers) {
    context.addIssue(`layer_types has ${c.layer_types.length} entries for ${c.num_hidden_layers} layers`);
  }
}

/** The network that a config describes. */
export function decoder(c: DecoderConfig, options: DecoderOptions): Architecture {
  const {family, theta, tied = false, windows, rotates} = options;
  const sizes = sizesOf(c, options.headSize);
  const rotation = rotationOf(c, sizes.headSize, theta);
  const made = new Map<string, Layer>();
  const layers = Array.from({length: c.num_hidden_layers}, (_, i) => {
    const window = windows?.[i] ?? null;
    const turn = (rotates?.[i] ?? true) ? rotation : null;
    const key = `${window} ${turn !== null}`;
    const layer = made.get(key) ?? layerOf(c, options, {window, rotation: turn, headSize: sizes.headSize});
    made.set(key, layer);
    return layer;
  });
  return {
    family,
    width: c.hidden_size,
    ...sizes,
    vocabulary: c.vocab_size,
    maxPositions: c.max_position_embeddings,
    weightLayout: 'oi',
    norm: {kind: 'rms', epsilon: c.rms_norm_eps},
    embedding: {tokens: 'embed_tokens', width: c.hidden_size, projection: null},
    positions: {kind: 'rotary'},
    layers,
    lmHead: {norm: 'norm', projection: null, tied: c.tie_word_embeddings ?? tied},
    bosTokenId: c.bos_token_id ?? null,
    eosTokenIds: c.eos_token_id,
  };
}

function layerOf(
  c: DecoderConfig,
  {biases, qkNorm}: DecoderOptions,
  {window, rotation, headSize}: {window: number | null; rotation: Rotation | null; headSize: number},
): Layer {
  const linear = (name: string, bias = false): LinearModule => ({name, bias});
  return {
    attention: {
      qkv: {
        kind: 'separate',
        q: linear('self_attn.q_proj', biases?.qkv),
        k: linear('self_attn.k_proj', biases?.qkv),
        v: linear('self_attn.v_proj', biases?.qkv),
      },
      out: linear('self_attn.o_proj', biases?.out),
      scale: 1 / Math.sqrt(headSize),
      scaleDivisor: 1,
      rotation,
      window,
      qkNorm: qkNorm ?? null,
    },
    mlp: {
      kind: 'gated',
      width: c.intermediate_size,
      activation: c.hidden_act,
      gate: linear('mlp.gate_proj', biases?.mlp),
      up: linear('mlp.up_proj', biases?.mlp),
      down: linear('mlp.down_proj', biases?.mlp),
    },
    norms: {
      attentionIn: 'input_layernorm',
      attentionOut: null,
      attentionSum: null,
      mlpIn: 'post_attention_layernorm',
      mlpOut: null,
      mlpSum: null,
    },
  };
}

const LEFT_OUT: LeftOut[] = [
  {
    names: /(^|\.)rotary_emb\.inv_freq$/,
    what: "a buffer: the rotation's frequencies, which older Transformers saved as if they were a weight",
  },
  VALUE_HEAD,
];

/** What families of this kind have in common. */
export const decoderFamily: Omit<Family, 'name' | 'title' | 'classPrefix' | 'architecture'> = {
  prefixes: ['model.', ''],
  layerPrefix: 'layers.',
  leftOut: LEFT_OUT,
  withLayers: (config, layers) => ({...config, num_hidden_layers: layers.length}),
  initialValues: z
    .object({initializer_range: initialStd, pad_token_id: z.number().int().nullish()})
    .transform(({initializer_range: std, pad_token_id: padding}) => ({
      std,
      residualStd: std,
      paddingRow: padding ?? null,
    })),
};

/**
 * `withLayers` of a family whose layers may slide: which of them do is written out, as the new layers' places say
 * something else.
 */
export function withLayerTypes(
  config: Record<string, unknown>,
  layers: readonly number[],
  {layers: all}: Architecture,
): Record<string, unknown> {
  const counted = decoderFamily.withLayers(config, layers);
  const slides = all.map(({attention}) => attention.window !== null);
  if (isEveryLayer(layers, all.length) || !(slides.includes(true) || config.layer_types)) return counted;
  return {
    ...counted,
    layer_types: layers.map((layer) => (slides[layer] ? 'sliding_attention' : 'full_attention')),
  };
}
