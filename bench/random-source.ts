import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {writeSafetensors} from '../src/index.js';
import {modelTensors, parseArchitecture, vanilla} from '../src/model/index.js';

/** GPT-2 small and medium, without what is the default. */
export const GPT2 = {
  model_type: 'gpt2',
  vocab_size: 50257,
  n_positions: 1024,
  n_embd: 768,
  n_layer: 12,
  n_head: 12,
  layer_norm_epsilon: 1e-5,
  activation_function: 'gelu_new',
};
export const GPT2_MEDIUM = {...GPT2, n_embd: 1024, n_layer: 24, n_head: 16};

/** Writes a GPT-2 source with random float32 weights of the usual spread. */
export async function writeRandomSource(folder: string, config: typeof GPT2): Promise<void> {
  const random = xoroshiro128plus(0);
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const arch = parseArchitecture(config, 'the bench');
  const tensors = modelTensors(arch, vanilla(arch.layers.length)).map(({name, shape}) => ({
    name: name.replace(/^middle\./, 'h.'),
    dtype: 'F32' as const,
    shape,
    chunks: () => {
      const size = shape.reduce((n, each) => n * each, 1);
      const centre = /ln_\w+\.weight$/.test(name) ? 1 : 0;
      const values = Float32Array.from({length: size}, () => centre + 0.07 * (uniformFloat64(random) - 0.5));
      return [new Uint8Array(values.buffer)];
    },
  }));
  await writeSafetensors(join(folder, 'model.safetensors'), tensors);
}
