import {access, stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {z} from 'zod';
import {FileError, FormatError, UnsupportedError} from '../errors.js';
import {diskFiles, type WeightFiles} from './byte-file.js';
import {readJson} from './json.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const TORCH = ['pytorch_model.bin', 'pytorch_model.bin.index.json'];

const indexSchema = z.object({weight_map: z.record(z.string(), z.string())});

/** Which files make up a checkpoint. */
export interface Location {
  files: WeightFiles;
  /** The weight files' names. */
  names: string[];
  /** Each tensor's file as the index tells it; null for a single file. */
  weightMap: ReadonlyMap<string, string> | null;
  /** The index file's name. */
  index: string;
}

/**
 * Finds a checkpoint's weight files.
 * @throws FileError if there are none, UnsupportedError for a format that is not read, FormatError for a broken index
 */
export async function locate(source: string | WeightFiles): Promise<Location> {
  if (typeof source !== 'string') return locateIn(source);
  const found = await stat(source).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new FileError(`${source} ${why}; give a folder with config.json and model.safetensors.`, {
      cause: error,
    });
  });
  if (!found.isFile()) return locateIn(diskFiles(source));
  if (!source.endsWith('.safetensors')) {
    throw new UnsupportedError(`${source} is no .safetensors file; only safetensors checkpoints are read.`);
  }
  return {files: diskFiles(dirname(source)), names: [basename(source)], weightMap: null, index: INDEX};
}

async function locateIn(files: WeightFiles): Promise<Location> {
  const {folder} = files;
  const names = await files.names();
  if (names.has(SINGLE)) return {files, names: [SINGLE], weightMap: null, index: INDEX};
  if (names.has(INDEX)) return locateShards(files);
  for (const name of TORCH) {
    if (names.has(name)) {
      throw new UnsupportedError(
        `${join(folder, name)} is a PyTorch pickle, which this version does not read; save the model as safetensors (save_pretrained does) and convert that.`,
      );
    }
  }
  throw new FileError(`${folder} is no checkpoint: it has neither ${SINGLE} nor ${INDEX}.`);
}

async function locateShards(files: WeightFiles): Promise<Location> {
  const path = join(files.folder, INDEX);
  const {weight_map: record} = await readJson(path, indexSchema);
  const names = [...new Set(Object.values(record))];
  for (const name of names) {
    // A shard lies beside its index: a name with a path in it could point anywhere.
    if (name !== basename(name) || name.includes('\\') || !name.endsWith('.safetensors')) {
      throw new FormatError(`${path}: ${JSON.stringify(name)} is no name of a safetensors file beside it.`);
    }
  }
  return {files, names, weightMap: new Map(Object.entries(record)), index: INDEX};
}

/** Whether a path leads to something. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
