/** Files to tensors and back: safetensors, shards, dtypes, all-or-nothing folders. Knows no model and no tfjs. */
export {DiskFile, diskFiles, requireRange, type ByteFile, type WeightFiles} from './byte-file.js';
export {CARRIED_FILES, checkCarriedFiles} from './carried-files.js';
export {Checkpoint} from './checkpoint.js';
export {CHUNK_BYTES, reuseChunk} from './chunk-memory.js';
export {DigestFile} from './digest-file.js';
export {ByteThread, type FilePlace, type ThreadHash} from './byte-thread.js';
export {hashesInPairs} from './sha256.js';
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
} from './dtype.js';
export {
  writeModelFiles,
  writeModelInfo,
  writeWeights,
  type ModelFolder,
  type WriteWeightsOptions,
} from './model-folder.js';
export {jsonSha256, parseWith, readJson, readText} from './json.js';
export {exists, locate, otherFormat} from './locate.js';
export {withLock} from './lock.js';
export {rounded, Rounder} from './rounder.js';
export {SafetensorsFile} from './safetensors-file.js';
export {
  writePlanned,
  writeSafetensors,
  type TensorSource,
  type WeightWriter,
  type WriteOptions,
} from './safetensors-writer.js';
export {
  asFileError,
  checkOutput,
  freeBytes,
  requireFreeSpace,
  resolveOutput,
  type OutputOptions,
} from './output-folder.js';
export {besides, clearAbandoned, namesInUse} from './partial.js';
export {isRunning, MACHINE} from './process-owner.js';
export {
  MAX_README_BYTES,
  README,
  readSourceCard,
  sourceCardSchema,
  splitFrontMatter,
  type SourceCard,
} from './source-card.js';
export {
  flushFolder,
  requireFreeOutput,
  writeFilesWhole,
  writeFileWhole,
  writeFolder,
  writeOwnFolder,
} from './staging.js';
export {TorchFile} from './torch-file.js';
export type {TensorInfo, WeightFile} from './weight-file.js';
export {
  byteLength,
  planWeights,
  shardIndex,
  type PlannedFile,
  type TensorLayout,
  type WeightPlan,
} from './weight-plan.js';
