import {copyFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {carryFiles} from './carried-files.js';
import {
  writePlanned,
  type TensorSource,
  type WeightWriter,
  type WriteOptions,
} from '../safetensors/safetensors-writer.js';
import {INDEX_NAME, planWeights, shardIndex} from '../safetensors/weight-plan.js';

export interface ModelFolder {
  /** In the model's order, in which they fill shards. */
  tensors: readonly TensorSource[];
  /** The content of config.json. */
  config: Record<string, unknown>;
  /** The folder whose tokenizer and generation files come along. */
  carryFrom: string;
}

export interface WriteWeightsOptions extends WriteOptions {
  /** A shard's limit in bytes of tensors; default 5 GB. */
  maxShardBytes?: number;
  /** Writes every tensor; default: one after the other, in the model's order. */
  fill?: (writer: WeightWriter) => Promise<void>;
}

/**
 * Fills a folder with a model: config.json, model.safetensors or its shards, and the tokenizer's files. Meant for a
 * stage of `writeFolder`.
 */
export async function writeModelFiles(
  folder: string,
  {tensors, config, carryFrom}: ModelFolder,
  options?: WriteWeightsOptions,
): Promise<void> {
  await writeWeights(folder, tensors, options);
  await writeModelInfo(folder, config, carryFrom);
}

/**
 * Writes a model's weights: model.safetensors, or shards with their index where they exceed the limit.
 * @param tensors - in the model's order, in which they fill shards
 */
export async function writeWeights(
  folder: string,
  tensors: readonly TensorSource[],
  {maxShardBytes, fill = (writer) => writer.writeAll(tensors), ...options}: WriteWeightsOptions = {},
): Promise<void> {
  const plan = planWeights(tensors, maxShardBytes);
  await writePlanned(folder, plan.files, fill, options);
  if (plan.files.length > 1) await writeJson(join(folder, INDEX_NAME), shardIndex(plan));
}

/**
 * Writes what lies beside a model's weights: config.json, the tokenizer's files of another folder, and of a ZTT model the
 * code with which Transformers loads it.
 * @throws FormatError as `carryFiles`
 */
export async function writeModelInfo(
  folder: string,
  config: Record<string, unknown>,
  carryFrom: string,
): Promise<void> {
  await writeJson(join(folder, 'config.json'), await carryFiles(carryFrom, folder, config));
  if (config.model_type === 'ztt') await copyPython(folder);
}

/** The Python code of ZTT models, in this package. */
const PYTHON = fileURLToPath(new URL('../../../python/', import.meta.url));
const PYTHON_FILES = ['configuration_ztt.py', 'modeling_ztt.py'];

async function copyPython(folder: string): Promise<void> {
  for (const file of PYTHON_FILES) await copyFile(join(PYTHON, file), join(folder, file));
}

const writeJson = (path: string, content: unknown): Promise<void> =>
  writeFile(path, `${JSON.stringify(content, null, 2)}\n`);
