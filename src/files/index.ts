/**
 * Helpers for files of any content: small JSON files that are checked as they are read, folders that are written
 * whole or not at all, and locks between processes. Knows no tensor and no model.
 */
export {parseYaml, requireShortYaml, YAML_OPTIONS} from './yaml.js';
export {openRegular, ownFile} from './own-file.js';
export {keepAlive} from './heartbeat.js';
export {exists} from './exists.js';
export {jsonSha256, parseWith, readJson, readText} from './json.js';
export {withLock} from './lock.js';
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
  changeFileWhole,
  flushFolder,
  requireFreeOutput,
  writeFilesWhole,
  writeFileWhole,
  writeFolder,
  writeOwnFolder,
} from './staging.js';
