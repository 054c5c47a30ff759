import {join} from 'node:path';
import {convert, load, type EngineOptions, type Model} from '../../src/index.js';
import {familyOf} from '../../src/model/index.js';
import {copyWithValues} from './certificates.js';
import {makeTempFolder} from './temp.js';
import {ORACLE, type Expected, type Variant} from './oracle.js';

/** Writes a case converted to a variant, with the zero keys that its expectations were computed with. */
export async function writeVariant(
  name: string,
  variant: Variant,
  expected: Expected,
  output: string,
): Promise<void> {
  const source = join(ORACLE, name);
  const arrangement = expected.arrangement(variant);
  if (!expected.has(`${variant}.zero_keys`)) {
    await convert({source, output, ...arrangement});
    return;
  }
  const converted = `${output}-converted`;
  await convert({source, output: converted, ...arrangement});
  await copyWithValues(converted, output, 'zero_tokens.key', await expected.floats(`${variant}.zero_keys`));
}

/** The same, loaded. */
export async function loadVariant(
  name: string,
  variant: Variant,
  expected: Expected,
  engine: EngineOptions,
): Promise<Model> {
  const temp = await makeTempFolder();
  const output = temp.path(variant);
  await writeVariant(name, variant, expected, output);
  const model = await load(output, engine);
  await temp.remove();
  return model;
}

/** The source's name for one of our parameters, as Transformers names it. */
export function sourceName(name: string, model: Model): string {
  const {arch, arrangement} = model.config;
  const {head, tail} = arrangement;
  const starts = {head: 0, middle: head, tail: arch.layers.length - tail};
  const {prefixes, layerPrefix} = familyOf(arch);
  const block = /^(head|middle|tail)\.(\d+)\.(.*)$/.exec(name);
  if (!block) return name.startsWith('lm_head') ? name : prefixes[0] + name;
  const layer = starts[block[1] as keyof typeof starts] + Number(block[2]);
  return `${prefixes[0]}${layerPrefix}${layer}.${block[3]}`;
}
