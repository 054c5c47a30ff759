import {elementBytes, elementCount, reuseChunk, toFloat32, type Checkpoint} from '../checkpoint/index.js';
import {readModelConfig, type ModelConfig} from './config.js';
import {LM_HEAD} from './parameters.js';
import {mapTensors, type TensorMap} from './tensors.js';

/** A checkpoint's config as its weights complete it, and where its tensors lie. */
export interface CheckpointConfig {
  config: ModelConfig;
  map: TensorMap;
}

/**
 * Reads a checkpoint's config.json and fits its tensors to it. Where the config ties the LM head to the token embedding
 * and another head is stored, the stored one counts, as in Transformers 5: the config comes back untied, with a note.
 * @throws FileError, FormatError or UnsupportedError as `readModelConfig` and `mapTensors`
 */
export async function readCheckpointConfig(checkpoint: Checkpoint): Promise<CheckpointConfig> {
  const config = await readModelConfig(checkpoint.folder);
  const map = mapTensors(checkpoint, config);
  const embedding = map.stored.get(`${config.arch.embedding.tokens}.weight`)!;
  const stored = config.arch.lmHead.tied && checkpoint.tensors.has(LM_HEAD) && embedding !== LM_HEAD;
  if (!stored || (await sameValues(checkpoint, embedding, LM_HEAD))) return {config, map};
  const untied: ModelConfig = {
    ...config,
    arch: {...config.arch, lmHead: {...config.arch.lmHead, tied: false}},
    base: {...config.base, tie_word_embeddings: false},
    notes: [
      ...config.notes,
      `${checkpoint.folder}: config.json ties the LM head to the token embedding, but ${LM_HEAD} is stored with other values; the stored head is used, as in Transformers 5. Set tie_word_embeddings to false there to say so.`,
    ],
  };
  return {config: untied, map: mapTensors(checkpoint, untied)};
}

/** Elements that are compared at a time: 16 MiB in float32. */
const PANEL_ELEMENTS = 4 << 20;

/** Whether two tensors have one shape and the same values, whatever their dtypes. */
async function sameValues(checkpoint: Checkpoint, a: string, b: string): Promise<boolean> {
  if (checkpoint.sharesBytes(a, b)) return true;
  const {shape} = checkpoint.info(a);
  if (shape.join() !== checkpoint.info(b).shape.join()) return false;
  const count = elementCount(shape);
  for (let start = 0; start < count; start += PANEL_ELEMENTS) {
    const end = Math.min(start + PANEL_ELEMENTS, count);
    const one = await panel(checkpoint, a, start, end);
    const other = await panel(checkpoint, b, start, end);
    if (!one.every((value, i) => value === other[i])) return false;
  }
  return true;
}

/** The values of a tensor from one element to another, in float32. */
async function panel(
  checkpoint: Checkpoint,
  name: string,
  start: number,
  end: number,
): Promise<Float32Array> {
  const {dtype} = checkpoint.info(name);
  const size = elementBytes(dtype);
  const values = new Float32Array(end - start);
  let filled = 0;
  for await (const chunk of checkpoint.chunks(name, size * start, size * end)) {
    const part = toFloat32(chunk, dtype);
    values.set(part, filled);
    filled += part.length;
    reuseChunk(chunk);
  }
  return values;
}
