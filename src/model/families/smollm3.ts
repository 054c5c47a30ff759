import {z} from 'zod';
import {checkDecoder, decoder, decoderFamily, decoderKeys, layerTypes, withLayerTypes} from './decoder.js';
import {isEveryLayer, type Family} from './family.js';
import {count, flag} from './schema.js';

const THETA = 2e6;

const schema = z
  .object({
    ...decoderKeys,
    attention_bias: flag(false),
    mlp_bias: flag(false),
    /** For each layer, 1 where it rotates. */
    no_rope_layers: z.array(z.union([z.literal(0), z.literal(1)])).nullish(),
    /** Else every so manieth layer does not. */
    no_rope_layer_interval: count.default(4),
    use_sliding_window: flag(false),
    sliding_window: count.nullish(),
    layer_types: layerTypes,
  })
  .superRefine((c, context) => {
    checkDecoder(c, context);
    const {no_rope_layers: given, num_hidden_layers: layers} = c;
    if (given && given.length > 0 && given.length !== layers) {
      context.addIssue(`no_rope_layers has ${given.length} entries for ${layers} layers`);
    }
  });

function rotatesOf(c: z.output<typeof schema>): boolean[] {
  const {no_rope_layers: given, no_rope_layer_interval: interval, num_hidden_layers: layers} = c;
  // An empty list counts as none, as in Transformers.
  if (given && given.length > 0) return given.map((one) => one === 1);
  return Array.from({length: layers}, (_, i) => (i + 1) % interval !== 0);
}

const architecture = schema.transform((c) => {
  const rotates = rotatesOf(c);
  const window = c.use_sliding_window ? (c.sliding_window ?? null) : null;
  const slides = c.layer_types?.map((type) => type === 'sliding_attention') ?? rotates.map((on) => !on);
  return decoder(c, {
    family: 'smollm3',
    theta: THETA,
    tied: true,
    biases: {qkv: c.attention_bias, out: c.attention_bias, mlp: c.mlp_bias},
    windows: slides.map((on) => (on ? window : null)),
    rotates,
  });
});

/** SmolLM3: Llama in which every fourth layer knows no positions. */
export const smollm3: Family = {
  ...decoderFamily,
  name: 'smollm3',
  title: 'SmolLM3',
  classPrefix: 'SmolLM3',
  architecture,
  withLayers(config, layers) {
    const arch = architecture.parse(config);
    const typed = withLayerTypes(config, layers, arch);
    if (isEveryLayer(layers, arch.layers.length)) return typed;
    const rotates = layers.map((layer) => (arch.layers[layer]!.attention.rotation ? 1 : 0));
    return {...typed, no_rope_layers: rotates};
  },
};
