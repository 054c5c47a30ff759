/** What is known of the tensorflow engine without loading tfjs or TensorFlow; it costs a command's start nothing. */
import type {BuiltRecord} from './record.js';

export {tensorflowEnvironment} from './environment.js';
export {BUILT, tensorflowFolder, thisMachine, type Environment} from './folder.js';
export {nvidiaGpus, type Gpu} from './gpu.js';
export type {BuiltRecord, LibrarySource} from './record.js';

/** The record of what was built in a folder; null if nothing was. @throws EngineError for one that is none */
export async function readRecord(folder: string): Promise<BuiltRecord | null> {
  return (await import('./record.js')).readRecord(folder);
}
