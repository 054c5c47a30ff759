/** Files to tensors and back: safetensors, torch .bin, shards, dtypes. Knows no model and no tfjs. */
export {DiskFile, diskFiles, requireRange, type ByteFile, type WeightFiles} from './bytes/byte-file.js';
export {CARRIED_FILES, checkCarriedFiles} from './model-folder/carried-files.js';
export {Checkpoint} from './checkpoint.js';
export {CHUNK_BYTES, reuseChunk} from './bytes/chunk-memory.js';
export {DigestFile} from './bytes/digest-file.js';
export {ByteThread, type FilePlace, type ThreadHash} from './bytes/byte-thread.js';
export {hashesInPairs} from './bytes/sha256.js';
export {
  DTYPE_NAMES,
  dtypeNamed,
  elementBytes,
  elementCount,
  fromFloat32,
  isFloatDtype,
  overflowOf,
  toFloat32,
  type Dtype,
  type DtypeName,
  type FloatDtype,
} from './tensors/dtype.js';
export {
  writeModelFiles,
  writeModelInfo,
  writeWeights,
  type ModelFolder,
  type WriteWeightsOptions,
} from './model-folder/model-folder.js';
export {locate, modelFolder, otherFormat, pathOf} from './locate.js';
export {rounded, Rounder} from './safetensors/rounder.js';
export {SafetensorsFile} from './safetensors/safetensors-file.js';
export {
  writePlanned,
  writeSafetensors,
  type TensorSource,
  type WeightWriter,
  type WriteOptions,
} from './safetensors/safetensors-writer.js';
export {
  MAX_README_BYTES,
  README,
  readSourceCard,
  sourceCardSchema,
  splitFrontMatter,
  type SourceCard,
} from './model-folder/source-card.js';
export {TorchFile} from './torch/torch-file.js';
export type {TensorInfo, WeightFile} from './tensors/weight-file.js';
export {
  byteLength,
  planWeights,
  shardIndex,
  type PlannedFile,
  type TensorLayout,
  type WeightPlan,
} from './safetensors/weight-plan.js';
