import {stat} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {z} from 'zod';
import {FileError, FormatError, quoted, UnsupportedError} from '../errors.js';
import {diskFiles, type WeightFiles} from './bytes/byte-file.js';
import {readJson} from '../files/index.js';

/** The formats of weights that are read, the preferred one first: by their files' endings, and the usual names. */
const FORMATS = [
  {ending: '.safetensors', single: 'model.safetensors', index: 'model.safetensors.index.json'},
  {ending: '.bin', single: 'pytorch_model.bin', index: 'pytorch_model.bin.index.json'},
] as const;
type Format = (typeof FORMATS)[number];

/** What a folder may hold instead of weights that are read, and what to do about it. */
const OTHERS: [RegExp, string][] = [
  [
    /^adapter_(config\.json|model\.(safetensors|bin))$/,
    'an adapter and not a whole model; merge it into its base model (PEFT: merge_and_unload) and save that',
  ],
  [/\.gguf$/, 'GGUF weights, made for llama.cpp; use the model that they were made from'],
  [
    /^(tf_model.*\.h5|.*\.ckpt(\.index)?)$/,
    'TensorFlow weights; load them in Transformers 4 (from_tf=True) and save_pretrained',
  ],
  [
    /^flax_model.*\.msgpack/,
    'Flax weights; load them in Transformers 4 (from_flax=True) and save_pretrained',
  ],
  [/^onnx$|\.onnx$/, 'an ONNX export; use the model that it was made from'],
];

/** The largest index that is read: one of half a million tensors. */
const MAX_INDEX_BYTES = 64 << 20;

const indexSchema = z.object({weight_map: z.record(z.string(), z.string())});

/** Which files make up a checkpoint. */
export interface Location {
  files: WeightFiles;
  /** The weight files' names. */
  names: string[];
  /** Each tensor's file, as the index has it; null for a single file. */
  weightMap: ReadonlyMap<string, string> | null;
}

/**
 * Finds a checkpoint's weight files.
 * @throws FileError if there are none, UnsupportedError for formats that are not read, FormatError for a broken index
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
  if (!FORMATS.some(({ending}) => source.endsWith(ending))) {
    throw new UnsupportedError(
      `${source} is no .safetensors or .bin file; give one, or a folder with config.json and model.safetensors.`,
    );
  }
  return {files: diskFiles(dirname(source)), names: [basename(source)], weightMap: null};
}

/**
 * The folder that a checkpoint's config.json and tokenizer lie in. Its weight files must be there, and none is opened.
 * @throws as `locate`
 */
export const modelFolder = async (source: string | WeightFiles): Promise<string> =>
  (await locate(source)).files.folder;

/** The path of a checkpoint on this machine, or the folder that has the small files of one that is elsewhere. */
export const pathOf = (source: string | WeightFiles): string =>
  typeof source === 'string' ? source : source.folder;

async function locateIn(files: WeightFiles): Promise<Location> {
  const names = await files.names();
  for (const format of FORMATS) {
    if (names.has(format.single)) return {files, names: [format.single], weightMap: null};
    if (names.has(format.index)) return locateShards(files, format);
  }
  throw noCheckpoint(files.name, [...names]);
}

async function locateShards(files: WeightFiles, {index, ending}: Format): Promise<Location> {
  const path = join(files.folder, index);
  const {weight_map: record} = await readJson(path, indexSchema, MAX_INDEX_BYTES);
  const names = [...new Set(Object.values(record))].sort();
  for (const name of names) {
    // A shard lies beside its index: a name with a path in it could point anywhere.
    if (name !== basename(name) || name.includes('\\') || name.includes('\0') || !name.endsWith(ending)) {
      throw new FormatError(`${path}: ${quoted(name)} is no name of a ${ending} file beside it.`);
    }
  }
  if (names.length === 0) throw new FormatError(`${path} lists no tensors.`);
  return {files, names, weightMap: new Map(Object.entries(record))};
}

/** The error for a folder or repo without weights, by what it has instead. */
function noCheckpoint(where: string, names: string[]): Error {
  const usual = `it has neither ${FORMATS[0].single} nor ${FORMATS[1].single}`;
  const unusual = names.find((name) => name.endsWith('.safetensors') && !name.startsWith('adapter_'));
  if (unusual !== undefined) {
    return new FileError(
      `${where}: ${usual}, but ${quoted(unusual)}; give that file itself (of a repo, once it is downloaded).`,
    );
  }
  const other = otherFormat(names);
  if (other !== null) return new UnsupportedError(`${where}: ${usual}. ${other}`);
  return new FileError(`${where} is no checkpoint: ${usual}, nor an index of their shards.`);
}

/** A sentence that says what files are that are no weights of a format that is read; null if none is known. */
export function otherFormat(names: readonly string[]): string | null {
  for (const [pattern, what] of OTHERS) {
    const name = names.find((name) => pattern.test(name));
    if (name !== undefined) return `Its ${quoted(name)} is ${what}.`;
  }
  return null;
}
