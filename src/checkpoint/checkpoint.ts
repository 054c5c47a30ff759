import {basename} from 'node:path';
import {FileError, FormatError, quoted} from '../errors.js';
import type {ByteFile, WeightFiles} from './bytes/byte-file.js';
import type {FilePlace} from './bytes/byte-thread.js';
import {locate} from './locate.js';
import {SafetensorsFile} from './safetensors/safetensors-file.js';
import {TorchFile} from './torch/torch-file.js';
import type {TensorInfo, WeightFile} from './tensors/weight-file.js';

/** A checkpoint: one file of weights or its shards, and the folder that its config.json lies in. */
export class Checkpoint {
  private constructor(
    /** The folder that holds config.json and the tokenizer files. */
    readonly folder: string,
    /** The weight files. */
    readonly files: readonly WeightFile[],
    private readonly owners: ReadonlyMap<string, WeightFile>,
    /** Every tensor, by its name in the files. */
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  /**
   * Opens a checkpoint and checks what its files say of themselves; no tensor is read.
   * @param source - a folder with model.safetensors, pytorch_model.bin or the shards of either, a single file of
   *   these kinds, or files elsewhere
   * @param through - what each weight file is read through; it may look at the bytes as they pass
   * @throws FileError if it is missing, UnsupportedError for a checkpoint in another format, FormatError for
   *   a broken one.
   */
  static async open(
    source: string | WeightFiles,
    through: (file: ByteFile) => ByteFile = (file) => file,
  ): Promise<Checkpoint> {
    const {files: from, names, weightMap} = await locate(source);
    const files: WeightFile[] = [];
    try {
      for (const name of names) files.push(await openWeights(from, name, through));
      const {owners, tensors} = collect(files, names, weightMap);
      return new Checkpoint(from.folder, files, owners, tensors);
    } catch (error) {
      await Promise.all(files.map((file) => file.close()));
      throw error;
    }
  }

  /** A tensor's description. @throws FormatError if there is none of this name. */
  info(name: string): TensorInfo {
    return this.owner(name).info(name);
  }

  /** Where a tensor's bytes lie (see `WeightFile.place`). */
  place(name: string): FilePlace | null {
    return this.owner(name).place(name);
  }

  /** Whether two tensors are known to be the same bytes of one file (see `WeightFile.sharesBytes`). */
  sharesBytes(one: string, other: string): boolean {
    const owner = this.owner(one);
    return owner === this.owner(other) && owner.sharesBytes(one, other);
  }

  /** A tensor's bytes, in chunks (see `WeightFile.chunks`). */
  chunks(name: string, start?: number, end?: number): AsyncGenerator<Uint8Array> {
    return this.owner(name).chunks(name, start, end);
  }

  /** A tensor's values as float32, whatever its float dtype. */
  async readFloat32(name: string): Promise<Float32Array> {
    return this.owner(name).readFloat32(name);
  }

  /** The sha256 of each weight file, in hex, by file name. Reads the files once. */
  async sha256(): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const file of this.files) digests[basename(file.path)] = await file.sha256();
    return digests;
  }

  async close(): Promise<void> {
    await Promise.all(this.files.map((file) => file.close()));
  }

  private owner(name: string): WeightFile {
    const owner = this.owners.get(name);
    if (!owner) throw new FormatError(`${this.folder} has no tensor ${quoted(name)}.`);
    return owner;
  }
}

/** What stands in a git repo for a large file begins so, and is small. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
const MAX_POINTER_BYTES = 1024;

async function openWeights(
  from: WeightFiles,
  name: string,
  through: (file: ByteFile) => ByteFile,
): Promise<WeightFile> {
  const file = through(await from.open(name));
  if (file.size <= MAX_POINTER_BYTES && (await file.read(0, file.size)).toString().startsWith(LFS_POINTER)) {
    await file.close();
    throw new FileError(
      `${file.path} is no weights but a pointer of Git LFS to them; run \`git lfs pull\` there.`,
    );
  }
  return name.endsWith('.safetensors') ? SafetensorsFile.open(file) : TorchFile.open(file);
}

/** Which file each tensor lies in, as the files say and the index, if there is one, confirms. */
function collect(
  files: readonly WeightFile[],
  names: readonly string[],
  weightMap: ReadonlyMap<string, string> | null,
) {
  const owners = new Map<string, WeightFile>();
  const tensors = new Map<string, TensorInfo>();
  for (const [i, file] of files.entries()) {
    for (const [name, info] of file.tensors) {
      if (weightMap && weightMap.get(name) !== names[i]) {
        throw new FormatError(
          `${file.path}: tensor ${quoted(name)} is not listed for this shard in the index.`,
        );
      }
      owners.set(name, file);
      tensors.set(name, info);
    }
  }
  for (const [name, file] of weightMap ?? []) {
    if (!tensors.has(name)) {
      throw new FormatError(`the index lists tensor ${quoted(name)} in ${file}, which lacks it.`);
    }
  }
  return {owners, tensors};
}
