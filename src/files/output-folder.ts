import type {Dirent} from 'node:fs';
import {lstat, readdir, realpath, statfs} from 'node:fs/promises';
import {homedir} from 'node:os';
import {dirname, join, resolve} from 'node:path';
import {z} from 'zod';
import {FileError} from '../errors.js';
import {isInside} from './inside.js';
import {readJson, readText} from './json.js';

/** What may become of an output folder that is there already. */
export interface OutputOptions {
  /** Whether a model that lies there may be replaced; undefined where it never can be. */
  replace?: boolean;
  /** Files and folders that are still read: an output that holds one is never replaced. */
  sources?: readonly string[];
  /** Names of the folders that a model of this kind has itself; one with any other is never replaced. */
  folders?: readonly string[];
}

/** System errors of a write, in words. */
const WORDS: Record<string, string> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the disk quota is used up',
  EFBIG: 'a file would be larger than is allowed here',
  EIO: 'the disk reports an error',
  EACCES: 'permission denied',
  EPERM: 'permission denied',
  EROFS: 'the file system is read-only',
  EBUSY: 'it is in use, as a mounted disk is',
  ENOTDIR: 'a part of the path is no folder',
  ELOOP: 'its links lead in a circle',
  ENAMETOOLONG: 'the name is too long',
};

/** System errors of a write, in words; every other error as it is. */
export function asFileError(error: unknown, path: string): unknown {
  const code = (error as NodeJS.ErrnoException).code;
  if (error instanceof Error && code && Object.hasOwn(WORDS, code)) {
    return new FileError(`${path} cannot be written: ${WORDS[code]}.`, {cause: error});
  }
  return error;
}

/**
 * The folder that an output's path means: links followed, as far as it is there.
 * @throws FileError for a path that leads nowhere
 */
export async function resolveOutput(output: string): Promise<string> {
  const target = await followed(output).catch((error: NodeJS.ErrnoException) => {
    throw unfit(output, WORDS[error.code ?? ''] ?? error.message, error);
  });
  if (target === null) throw unfit(output, 'it is a link that leads nowhere');
  return target;
}

/**
 * Checks that a folder can become the output: it is not there, or empty, or a model that may be replaced.
 * @param target - what `resolveOutput` gives
 * @throws FileError saying why it cannot
 */
export async function checkOutput(
  output: string,
  target: string,
  options: OutputOptions = {},
): Promise<void> {
  const entries = await readdir(target).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw unfit(output, WORDS[error.code ?? ''] ?? error.message, error);
  });
  if (entries === null) return;
  if (isInside(await realpath(process.cwd()), target)) {
    throw unfit(output, 'it is the folder you are in, or above it');
  }
  if (entries.length === 0) return;
  if (!options.replace) {
    const hint =
      options.replace === undefined ? '' : ', or give --force if it is a model that may be replaced';
    throw new FileError(`${output} is not empty; name another output folder or remove this one${hint}.`);
  }
  await requireReplaceable(output, target, options);
}

const unfit = (output: string, why: string, cause?: unknown): FileError =>
  new FileError(`${output} cannot be the output folder: ${why}.`, {cause});

/** The bytes that can still be written to a folder's disk; the folder need not be there yet. */
export async function freeBytes(folder: string): Promise<number> {
  try {
    const {bavail, bsize} = await statfs(folder);
    return bavail * bsize;
  } catch (error) {
    const parent = dirname(folder);
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || parent === folder) throw error;
    return freeBytes(parent);
  }
}

/** @throws FileError if a folder's disk has less than these bytes free */
export async function requireFreeSpace(folder: string, bytes: number): Promise<void> {
  const free = await freeBytes(folder);
  if (free < bytes) {
    const [needed, left] = [bytes, free].map((n) => `${(n / 1e9).toFixed(2)} GB`);
    throw new FileError(
      `${folder} needs ${needed}, and its disk has ${left} free; make room or name another folder.`,
    );
  }
}

/** A path with its links followed, as far as it is there; null for a link that leads nowhere. */
async function followed(output: string): Promise<string | null> {
  const missing = (error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return null;
    throw error;
  };
  const there = await realpath(output).catch(missing);
  if (there !== null) return there;
  return (await lstat(output).catch(missing)) === null ? resolve(output) : null;
}

/**
 * Checks that a folder is a model and nothing more, so that replacing it loses nothing else.
 * @throws FileError
 */
async function requireReplaceable(
  output: string,
  target: string,
  {sources = [], folders = []}: OutputOptions,
): Promise<void> {
  const refuse = (why: string) => new FileError(`${output} is not replaced: ${why}`);
  if (isInside(await realpath(homedir()).catch(() => homedir()), target)) {
    throw refuse('it is your home folder, or above it.');
  }
  for (const source of sources) {
    if (isInside(await realpath(source).catch(() => resolve(source)), target))
      throw refuse(`it holds what is converted, ${source}.`);
  }
  const isModel = await readJson(join(target, 'config.json'), z.looseObject({model_type: z.string()})).then(
    () => true,
    () => false,
  );
  if (!isModel) throw refuse('it has no config.json of a model; remove it yourself if it may go.');
  const entries = await readdir(target, {withFileTypes: true});
  const folder = entries.find((entry) => entry.isDirectory() && !folders.includes(entry.name));
  if (folder) throw refuse(`it holds the folder ${folder.name}; remove it yourself if it may go.`);
  const other = (names: Dirent[]) =>
    names.find((entry) => !entry.isDirectory() && !(entry.isFile() && MODEL_FILE.test(entry.name)));
  const inside = await Promise.all(
    folders.map((name) => readdir(join(target, name), {withFileTypes: true}).catch((): Dirent[] => [])),
  );
  const foreign = other(entries) ?? other(inside.flat());
  if (foreign) {
    throw refuse(
      `it holds ${foreign.name}, which is no file of a model that ztt wrote; move it away, or remove it yourself if it may go.`,
    );
  }
  const readme = entries.some(({name}) => name === README) ? await readText(join(target, README)) : '';
  if (!/^\s*$/.test(readme) && !readme.includes(GENERATED_CARD)) {
    throw refuse(
      `it holds a ${README} that ztt did not write; move it away, or remove it yourself if it may go.`,
    );
  }
}

const README = 'README.md';

/** What stands in every card that ztt wrote (src/card/readme.ts). */
const GENERATED_CARD = '<!-- ztt:begin -->';

/** The names of the files that a model's folder has: of ztt, of its source and of their repo. */
const MODEL_FILE =
  /^(\.gitattributes|\.gitignore|README\.md|LICENSE(\.(md|txt))?|(config|generation_config|preprocessor_config|ztt_certificate|tokenizer|tokenizer_config|special_tokens_map|added_tokens|vocab|quantize_config)\.json|(vocab|merges)\.txt|(tokenizer|spiece)\.model|chat_template\.(jinja|json)|(configuration|modeling)_ztt\.py|(model|pytorch_model)[\w.-]*\.(safetensors|bin)(\.index\.json)?|[\w.-]+\.onnx(_data(_\d+)?)?)$/;
