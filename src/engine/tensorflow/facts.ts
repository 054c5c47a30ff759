/** What is known of the tensorflow engine without loading tfjs or TensorFlow. */
export {tensorflowEnvironment} from './environment.js';
export {
  BUILT,
  readRecord,
  tensorflowFolder,
  thisMachine,
  type BuiltRecord,
  type Environment,
  type LibrarySource,
} from './folder.js';
export {nvidiaGpus, type Gpu} from './gpu.js';
