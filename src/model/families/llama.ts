import {z} from 'zod';
import {checkDecoder, decoder, decoderFamily, decoderKeys} from './decoder.js';
import type {Family} from './family.js';
import {flag} from './schema.js';

const schema = z
  .object({...decoderKeys, attention_bias: flag(false), mlp_bias: flag(false)})
  .superRefine((c, context) => checkDecoder(c, context));

/** Llama 2 and 3, and what has their shape: SmolLM2, TinyLlama, DeepSeek-LLM. */
export const llama: Family = {
  ...decoderFamily,
  name: 'llama',
  title: 'Llama',
  classPrefix: 'Llama',
  architecture: schema.transform((c) =>
    decoder(c, {
      family: 'llama',
      biases: {qkv: c.attention_bias, out: c.attention_bias, mlp: c.mlp_bias},
    }),
  ),
};
