import {Checkpoint, elementCount} from '../checkpoint/index.js';
import {requireRoom, useEngine, type EngineOptions} from '../engine/index.js';
import {UsageError} from '../errors.js';
import {readCheckpointConfig} from './checkpoint-config.js';
import type {ModelConfig} from './config.js';
import {initialLora, loraTensors} from './lora.js';
import type {LoraConfig} from './lora-config.js';
import type {Model} from './model.js';
import {modelTensors} from './tensors.js';

/** LoRA matrices that a model is to have. */
export interface NewLora extends LoraConfig {
  /** Decides their first values. */
  seed: number;
}

export interface LoadOptions extends EngineOptions {
  /** Adds LoRA matrices, with which the model computes what it did before; one that has the same keeps its own. */
  lora?: NewLora;
  /** Called after each tensor: bytes on the engine so far, of all. */
  onProgress?: (doneBytes: number, totalBytes: number) => void;
  /** Stops the loading, throwing the signal's reason. */
  signal?: AbortSignal;
}

/**
 * Loads a checkpoint onto an engine, in float32: a ZTT model, or a source, which runs as `vanilla`.
 * @param path - a folder with config.json and weights, or a .safetensors file beside its config.json
 * @throws FileError, FormatError or UnsupportedError for what cannot be read; EngineError for the engine; UsageError
 *   for LoRA matrices other than those that the model has
 */
export async function load(path: string, options: LoadOptions = {}): Promise<Model> {
  const checkpoint = await Checkpoint.open(path);
  try {
    const {config, map} = await readCheckpointConfig(checkpoint);
    const lora = options.lora && loraToAdd(config, options.lora, path);
    const engine = await useEngine(options);
    const [{Model}, {Weights}] = await Promise.all([import('./model.js'), import('./weights.js')]);
    const tensors = modelTensors(config.arch, config.arrangement);
    const sizes = tensors.map(({name, shape}) => ({name, bytes: 4 * elementCount(shape)}));
    await requireRoom(engine, sizes);
    const total = sizes.reduce((sum, {bytes}) => sum + bytes, 0);
    let done = 0;
    const weights = await Weights.read(checkpoint, tensors, map.stored, (values) => {
      done += 4 * values;
      options.onProgress?.(done, total);
      options.signal?.throwIfAborted();
    });
    if (!lora) return new Model(config, engine, weights);
    const arrangement = {...config.arrangement, lora};
    weights.add(initialLora(loraTensors(config.arch, arrangement), options.lora!.seed));
    return new Model({...config, arrangement}, engine, weights);
  } finally {
    await checkpoint.close();
  }
}

/** The matrices to add; null for a model that has the same already. */
function loraToAdd({arrangement}: ModelConfig, {rank, alpha, per, targets}: NewLora, path: string) {
  const lora: LoraConfig = {rank, alpha, per, targets};
  if (!arrangement.lora) return lora;
  if (JSON.stringify(arrangement.lora) === JSON.stringify(lora)) return null;
  throw new UsageError(
    `${path} has LoRA matrices of its own (${describeLora(arrangement.lora)}), not ${describeLora(lora)}; train with the same, or merge them first.`,
  );
}

/** For example `rank 8, alpha 16, shared, on attn.c_attn and attn.c_proj`. */
const describeLora = ({rank, alpha, per, targets}: LoraConfig): string =>
  `rank ${rank}, alpha ${alpha}, ${per === 'cycle' ? 'per cycle' : per}, on ${targets.join(' and ')}`;
