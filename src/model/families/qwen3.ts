import {z} from 'zod';
import {checkDecoder, decoder, decoderFamily, decoderKeys, withLayerTypes} from './decoder.js';
import type {Family} from './family.js';
import {upperWindowKeys, upperWindows} from './qwen2.js';
import {flag} from './schema.js';

/** d, where the config says nothing. */
const HEAD_SIZE = 128;

const architecture = z
  .object({...decoderKeys, ...upperWindowKeys, attention_bias: flag(false)})
  .superRefine((c, context) => checkDecoder(c, context, HEAD_SIZE))
  .transform((c) =>
    decoder(c, {
      family: 'qwen3',
      headSize: HEAD_SIZE,
      biases: {qkv: c.attention_bias, out: c.attention_bias},
      qkNorm: {over: 'head', q: 'self_attn.q_norm', k: 'self_attn.k_norm'},
      windows: upperWindows(c),
    }),
  );

/** Qwen 3: Llama with an RMS norm of each head's query and key; the upper layers may have a window. */
export const qwen3: Family = {
  ...decoderFamily,
  name: 'qwen3',
  title: 'Qwen3',
  classPrefix: 'Qwen3',
  architecture,
  withLayers: (config, layers) => withLayerTypes(config, layers, architecture.parse(config)),
};
