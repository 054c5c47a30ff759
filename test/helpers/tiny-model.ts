import {mkdir, writeFile} from 'node:fs/promises';
import {dirname, join} from 'node:path';
import {init, revert, type InitOptions} from '../../src/index.js';
import {FIXTURES} from './oracle.js';

/** The folder of the bundled tokenizer. */
export const TOKENIZER = join(FIXTURES, 'gpt2-books');

const CONFIG = {
  model_type: 'gpt2',
  vocab_size: 4096,
  n_positions: 64,
  n_embd: 16,
  n_layer: 3,
  n_head: 2,
  bos_token_id: 0,
  eos_token_id: 0,
};

/** Makes a random model, a GPT-2 unless a config says otherwise, so small that a training step takes milliseconds: 73 k parameters, 4 slots. */
export async function makeTinyModel(
  output: string,
  options: Partial<InitOptions> = {},
  config: Record<string, unknown> = CONFIG,
): Promise<void> {
  await mkdir(dirname(output), {recursive: true});
  const baseConfig = `${output}.json`;
  await writeFile(baseConfig, JSON.stringify(config));
  await init({baseConfig, output, tokenizer: TOKENIZER, ...options});
}

/** Makes a plain GPT-2 checkpoint of that size, as a source of conversions. */
export async function makeTinySource(output: string, config: object = {}): Promise<void> {
  const model = `${output}-vanilla`;
  await makeTinyModel(model, {layout: 'vanilla'}, {...CONFIG, ...config});
  await revert({model, output});
}
