import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {convert, load, type EngineOptions, type Model} from '../../src/index.js';
import {makeTempFolder} from './temp.js';
import {ORACLE, type Expected, type Variant} from './oracle.js';

/** A case converted to a variant, loaded, with the zero keys that its expectations were computed with. */
export async function loadVariant(
  name: string,
  variant: Variant,
  expected: Expected,
  engine: EngineOptions,
): Promise<Model> {
  const temp = await makeTempFolder();
  const output = temp.path(variant);
  await convert({source: join(ORACLE, name), output, ...expected.arrangement(variant)});
  const model = await load(output, engine);
  await temp.remove();
  if (expected.has(`${variant}.zero_keys`)) {
    const keys = await expected.floats(`${variant}.zero_keys`);
    tf.tidy(() => {
      const pool = model.parameters().get('zero_tokens.key')!;
      pool.assign(tf.tensor(keys, pool.shape));
    });
  }
  return model;
}

/** The source's name for one of our parameters, as Transformers names it. */
export function sourceName(name: string, model: Model): string {
  const {family, layers} = model.config.arch;
  const {head, tail} = model.config.arrangement;
  const starts = {head: 0, middle: head, tail: layers - tail};
  const prefix = family === 'gpt2' ? 'transformer.' : 'model.decoder.';
  const block = /^(head|middle|tail)\.(\d+)\.(.*)$/.exec(name);
  if (!block) return name.startsWith('lm_head') ? name : prefix + name;
  const layer = starts[block[1] as keyof typeof starts] + Number(block[2]);
  return `${prefix}${family === 'gpt2' ? 'h' : 'layers'}.${layer}.${block[3]}`;
}
