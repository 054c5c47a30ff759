/** Files to tensors and back: safetensors, shards, dtypes, all-or-nothing folders. Knows no model and no tfjs. */
export {Checkpoint, exists} from './checkpoint.js';
export {
  elementBytes,
  elementCount,
  fromFloat32,
  isFloatDtype,
  toFloat32,
  type Dtype,
  type FloatDtype,
} from './dtype.js';
export {writeModelFiles, type ModelFolder} from './model-folder.js';
export {parseWith, readJson, readText} from './json.js';
export {SafetensorsFile} from './safetensors-file.js';
export type {SafetensorsHeader, TensorInfo} from './safetensors-header.js';
export {writeSafetensors, type TensorSource, type WriteOptions} from './safetensors-writer.js';
export {requireFreeOutput, writeFileWhole, writeFolder} from './staging.js';
