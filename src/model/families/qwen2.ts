import {z} from 'zod';
import {checkDecoder, decoder, decoderFamily, decoderKeys, layerTypes, withLayerTypes} from './decoder.js';
import type {Family} from './family.js';
import {count, flag} from './schema.js';

/** The keys that say which layers of Qwen 2 and 3 slide. */
export const upperWindowKeys = {
  use_sliding_window: flag(false),
  sliding_window: count.nullable().default(4096),
  max_window_layers: z.number().int().nonnegative().default(28),
  layer_types: layerTypes,
};

/** Each layer's window: by `layer_types`, else from `max_window_layers` on; none unless `use_sliding_window`. */
export function upperWindows(
  c: z.output<z.ZodObject<typeof upperWindowKeys>> & {num_hidden_layers: number},
): (number | null)[] {
  return Array.from({length: c.num_hidden_layers}, (_, i) => {
    const slides = c.layer_types ? c.layer_types[i] === 'sliding_attention' : i >= c.max_window_layers;
    return c.use_sliding_window && slides ? c.sliding_window : null;
  });
}

const architecture = z
  .object({...decoderKeys, ...upperWindowKeys})
  .superRefine((c, context) => checkDecoder(c, context))
  .transform((c) => decoder(c, {family: 'qwen2', biases: {qkv: true}, windows: upperWindows(c)}));

/** Qwen 2 and 2.5: Llama with biases of q, k and v; the upper layers may have a window. */
export const qwen2: Family = {
  ...decoderFamily,
  name: 'qwen2',
  title: 'Qwen2',
  classPrefix: 'Qwen2',
  architecture,
  withLayers: (config, layers) => withLayerTypes(config, layers, architecture.parse(config)),
};
