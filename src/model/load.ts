import {Checkpoint} from '../checkpoint/index.js';
import {useEngine, type EngineOptions} from '../engine/index.js';
import {readModelConfig} from './config.js';
import type {Model} from './model.js';
import {mapTensors, modelTensors} from './tensors.js';

/**
 * Loads a checkpoint onto an engine, in float32: a ZTT model, or a GPT-2 or OPT source, which runs as `vanilla`.
 * @param path - a folder with config.json and weights, or a .safetensors file beside its config.json
 * @throws FileError, FormatError or UnsupportedError for what cannot be read; EngineError for the engine
 */
export async function load(path: string, options: EngineOptions = {}): Promise<Model> {
  const checkpoint = await Checkpoint.open(path);
  try {
    const config = await readModelConfig(checkpoint.folder);
    const {stored} = mapTensors(checkpoint, config);
    const engine = await useEngine(options);
    const [{Model}, {Weights}] = await Promise.all([import('./model.js'), import('./weights.js')]);
    const specs = modelTensors(config.arch, config.arrangement);
    return new Model(config, engine, await Weights.read(checkpoint, specs, stored));
  } finally {
    await checkpoint.close();
  }
}
