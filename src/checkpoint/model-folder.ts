import {copyFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {exists} from './locate.js';
import {writeSafetensors, type TensorSource, type WriteOptions} from './safetensors-writer.js';

/** Files beside the weights that a derived model takes along unchanged. */
const CARRIED_FILES = [
  'tokenizer.json',
  'tokenizer_config.json',
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'generation_config.json',
];

export interface ModelFolder {
  tensors: readonly TensorSource[];
  /** The content of config.json. */
  config: Record<string, unknown>;
  /** The folder whose tokenizer and generation files come along. */
  carryFrom: string;
}

/**
 * Fills a folder with a model: config.json, model.safetensors, and the tokenizer's files. Meant for a stage of
 * `writeFolder`.
 * @returns the sha256 of each tensor's bytes, in hex, by name
 */
export async function writeModelFiles(
  folder: string,
  model: ModelFolder,
  options: WriteOptions = {},
): Promise<Map<string, string>> {
  const digests = await writeSafetensors(join(folder, 'model.safetensors'), model.tensors, options);
  for (const name of CARRIED_FILES) {
    const from = join(model.carryFrom, name);
    if (await exists(from)) await copyFile(from, join(folder, name));
  }
  await writeFile(join(folder, 'config.json'), `${JSON.stringify(model.config, null, 2)}\n`);
  return digests;
}
