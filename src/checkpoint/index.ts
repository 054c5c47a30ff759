/** Files to tensors and back: safetensors, shards, dtypes, all-or-nothing folders. Knows no model and no tfjs. */
export {
  DiskFile,
  CHUNK_BYTES,
  diskFiles,
  requireRange,
  type ByteFile,
  type WeightFiles,
} from './byte-file.js';
export {Checkpoint} from './checkpoint.js';
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
export {exists, locate} from './locate.js';
export {SafetensorsFile} from './safetensors-file.js';
export {writeSafetensors, type TensorSource, type WriteOptions} from './safetensors-writer.js';
export {asFileError, requireFreeOutput, writeFileWhole, writeFolder} from './staging.js';
export {TorchFile} from './torch-file.js';
export type {TensorInfo, WeightFile} from './weight-file.js';
