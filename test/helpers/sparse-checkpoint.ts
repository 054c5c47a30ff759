import {mkdir, open, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {planWeights, shardIndex, type Dtype} from '../../src/checkpoint/index.js';
import {familyOf, modelTensors, parseArchitecture, vanilla} from '../../src/model/index.js';

/** OPT-13b, as facebook/opt-13b describes it. */
export const OPT_13B = {
  model_type: 'opt',
  activation_function: 'relu',
  do_layer_norm_before: true,
  ffn_dim: 20480,
  hidden_size: 5120,
  max_position_embeddings: 2048,
  num_attention_heads: 40,
  num_hidden_layers: 40,
  vocab_size: 50272,
  word_embed_proj_dim: 5120,
  torch_dtype: 'float16',
};

/** A source checkpoint of any size that takes no room: its headers, and holes where the values would be. */
export async function writeSparse(
  folder: string,
  config: Record<string, unknown>,
  dtype: Dtype,
  maxShardBytes?: number,
): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, 'config.json'), JSON.stringify(config));
  const arch = parseArchitecture(config, 'the test');
  const {prefixes, layerPrefix} = familyOf(arch);
  const tensors = modelTensors(arch, vanilla(arch.layers.length)).map(({name, shape}) => {
    return {name: prefixes[0] + name.replace(/^middle\./, layerPrefix), dtype, shape};
  });
  const plan = planWeights(tensors, maxShardBytes);
  for (const {name, header, bytes} of plan.files) {
    const handle = await open(join(folder, name), 'w');
    await handle.write(header);
    await handle.truncate(bytes);
    await handle.close();
  }
  if (plan.files.length > 1) {
    await writeFile(join(folder, 'model.safetensors.index.json'), JSON.stringify(shardIndex(plan)));
  }
}
