import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {writeModelFiles} from '../../src/checkpoint/index.js';
import {writeFolder} from '../../src/files/index.js';
import {tensorSources} from '../../src/finetune/run/run-folder.js';
import {convert, load, type ConvertOptions, type LoraConfig} from '../../src/index.js';
import {modelConfigJson} from '../../src/model/index.js';
import {ORACLE} from './oracle.js';

/** Writes an oracle case, converted, with LoRA matrices that change what it computes; float32. */
export async function writeLoraModel(
  name: string,
  output: string,
  lora: LoraConfig,
  options: Partial<ConvertOptions> = {},
): Promise<void> {
  const base = `${output}-base`;
  await convert({source: join(ORACLE, name), output: base, layout: 'ztt', cycles: 2, ...options});
  const model = await load(base, {engine: 'wasm', lora: {...lora, seed: 1}});
  let seed = 0;
  for (const [parameter, variable] of model.parameters()) {
    if (!/^lora\..*\.B$/.test(parameter)) continue;
    tf.tidy(() => variable.assign(tf.randomNormal(variable.shape, 0, 0.3, 'float32', ++seed)));
  }
  const {ztt, base: baseConfig} = model.config;
  const config = modelConfigJson(baseConfig, {...ztt!, lora}, 'float32');
  const tensors = tensorSources(model.parameters());
  await writeFolder(output, (stage) => writeModelFiles(stage, {tensors, config, carryFrom: base}));
  model.dispose();
}
