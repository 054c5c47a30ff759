import {z} from 'zod';
import {checkDecoder, decoder, decoderFamily, decoderKeys} from './decoder.js';
import type {Family} from './family.js';
import {count} from './schema.js';

const schema = z
  // Absent means 4096, and null means none.
  .object({...decoderKeys, sliding_window: count.nullable().default(4096)})
  .superRefine((c, context) => checkDecoder(c, context));

/** Mistral: Llama with a window in every layer. */
export const mistral: Family = {
  ...decoderFamily,
  name: 'mistral',
  title: 'Mistral',
  classPrefix: 'Mistral',
  architecture: schema.transform((c) =>
    decoder(c, {
      family: 'mistral',
      windows: new Array<number | null>(c.num_hidden_layers).fill(c.sliding_window),
    }),
  ),
};
