import {createHash} from 'node:crypto';
import {createReadStream} from 'node:fs';
import {access, stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {z} from 'zod';
import {FileError, FormatError, UnsupportedError} from '../errors.js';
import {readJson} from './json.js';
import {SafetensorsFile} from './safetensors-file.js';
import type {TensorInfo} from './safetensors-header.js';

const SINGLE = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';
const TORCH = ['pytorch_model.bin', 'pytorch_model.bin.index.json'];

const indexSchema = z.object({weight_map: z.record(z.string(), z.string())});

/** A checkpoint on disk: one safetensors file or its shards, and the folder that they lie in. */
export class Checkpoint {
  private constructor(
    /** The folder that holds config.json and the tokenizer files. */
    readonly folder: string,
    private readonly files: readonly SafetensorsFile[],
    private readonly owners: ReadonlyMap<string, SafetensorsFile>,
    /** Every tensor, by its name in the files. */
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  /**
   * Opens a folder with model.safetensors or its shards, or a single .safetensors file.
   * @throws FileError if it is missing, UnsupportedError for a checkpoint in another format, FormatError for
   *   a broken one.
   */
  static async open(path: string): Promise<Checkpoint> {
    const {folder, names, weightMap} = await locate(path);
    const files: SafetensorsFile[] = [];
    try {
      for (const name of names) files.push(await SafetensorsFile.open(join(folder, name)));
      const {owners, tensors} = collect(files, weightMap);
      return new Checkpoint(folder, files, owners, tensors);
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  /** The paths of the weight files. */
  get paths(): string[] {
    return this.files.map((file) => file.path);
  }

  /** A tensor's description. @throws FormatError if there is none of this name. */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new FormatError(`${this.folder} has no tensor ${name}.`);
    return info;
  }

  /** A tensor's bytes, in chunks. */
  chunks(name: string): AsyncGenerator<Uint8Array> {
    return this.owner(name).chunks(this.info(name));
  }

  /** A tensor's values as float32, whatever its float dtype. */
  async readFloat32(name: string): Promise<Float32Array> {
    return this.owner(name).readFloat32(this.info(name));
  }

  /** The sha256 of each weight file, in hex, by file name. Reads the files once. */
  async sha256(): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const file of this.files) {
      const hash = createHash('sha256');
      for await (const chunk of createReadStream(file.path)) hash.update(chunk as Buffer);
      digests[basename(file.path)] = hash.digest('hex');
    }
    return digests;
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private owner(name: string): SafetensorsFile {
    const owner = this.owners.get(name);
    if (!owner) throw new FormatError(`${this.folder} has no tensor ${name}.`);
    return owner;
  }
}

interface Location {
  folder: string;
  names: string[];
  weightMap: Record<string, string> | null;
}

async function locate(path: string): Promise<Location> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new FileError(`${path} ${why}; give a folder with config.json and model.safetensors.`, {
      cause: error,
    });
  });
  if (found.isFile()) {
    if (!path.endsWith('.safetensors')) {
      throw new UnsupportedError(`${path} is no .safetensors file; only safetensors checkpoints are read.`);
    }
    return {folder: dirname(path), names: [basename(path)], weightMap: null};
  }
  if (await exists(join(path, SINGLE))) return {folder: path, names: [SINGLE], weightMap: null};
  if (await exists(join(path, INDEX))) return locateShards(path);
  for (const name of TORCH) {
    if (await exists(join(path, name))) {
      throw new UnsupportedError(
        `${join(path, name)} is a PyTorch pickle, which this version does not read; save the model as safetensors (save_pretrained does) and convert that.`,
      );
    }
  }
  throw new FileError(`${path} is no checkpoint: it has neither ${SINGLE} nor ${INDEX}.`);
}

async function locateShards(folder: string): Promise<Location> {
  const path = join(folder, INDEX);
  const {weight_map: weightMap} = await readJson(path, indexSchema);
  const names = [...new Set(Object.values(weightMap))];
  for (const name of names) {
    // A shard lies beside its index: a name with a path in it could point anywhere.
    if (name !== basename(name) || name.includes('\\') || !name.endsWith('.safetensors')) {
      throw new FormatError(`${path}: ${JSON.stringify(name)} is no name of a safetensors file beside it.`);
    }
  }
  return {folder, names, weightMap};
}

function collect(files: readonly SafetensorsFile[], weightMap: Record<string, string> | null) {
  const owners = new Map<string, SafetensorsFile>();
  const tensors = new Map<string, TensorInfo>();
  for (const file of files) {
    for (const [name, info] of file.tensors) {
      if (weightMap && weightMap[name] !== basename(file.path)) {
        throw new FormatError(`${file.path}: tensor ${name} is not listed for this shard in ${INDEX}.`);
      }
      owners.set(name, file);
      tensors.set(name, info);
    }
  }
  for (const [name, file] of Object.entries(weightMap ?? {})) {
    if (!tensors.has(name))
      throw new FormatError(`${INDEX} lists tensor ${name} in ${file}, which lacks it.`);
  }
  return {owners, tensors};
}

/** Whether a path leads to something. */
export async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
