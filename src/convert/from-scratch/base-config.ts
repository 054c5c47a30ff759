import {mkdtemp, rm, stat, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {z} from 'zod';
import {readJson} from '../../files/index.js';
import {FileError, FormatError, UsageError} from '../../errors.js';
import {gpt2OfSizes, parseArchitecture, type Gpt2Sizes} from '../../model/index.js';
import {letterTokenizer} from '../../synthetic/index.js';
import {LETTER_TOKENIZER} from '../../synthetic/options.js';
import {BYTE_CHARACTERS, Tokenizer} from '../../tokenizer/index.js';

/** Where the config of a new model comes from, and its tokenizer. */
export interface BaseConfigOptions {
  /** A config.json of a family that ztt reads, or a folder that has one; a ZTT model's stands for its source's. */
  baseConfig?: string;
  /** In place of `baseConfig`: a GPT-2 of these sizes. */
  sizes?: Gpt2Sizes;
  /**
   * A folder with the tokenizer, or `LETTER_TOKENIZER`; it then decides the vocabulary. Default: the base config's own
   * folder.
   */
  tokenizer?: string;
}

export interface BaseConfig {
  base: Record<string, unknown>;
  /** The folder of the tokenizer. */
  carryFrom: string;
  /** For messages. */
  where: string;
}

const configSchema = z.looseObject({
  model_type: z.string(),
  base_config: z.looseObject({}).optional(),
});

/**
 * Gives `use` the base config, with the tokenizer's vocabulary where one was named, and the tokenizer's folder, which
 * may be gone afterwards.
 * @throws UsageError where neither a config nor sizes are given, or both; FileError, FormatError or UnsupportedError
 *   for the config or the tokenizer
 */
export async function withBaseConfig<T>(
  options: BaseConfigOptions,
  use: (config: BaseConfig) => Promise<T>,
): Promise<T> {
  if (options.tokenizer !== LETTER_TOKENIZER) return use(await read(options));
  const folder = await mkdtemp(join(tmpdir(), 'ztt-tokenizer-'));
  try {
    for (const [name, content] of Object.entries(letterTokenizer(BYTE_CHARACTERS))) {
      await writeFile(join(folder, name), `${JSON.stringify(content, null, 2)}\n`);
    }
    return await use(await read({...options, tokenizer: folder}));
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}

async function read({baseConfig, sizes, tokenizer: folder}: BaseConfigOptions): Promise<BaseConfig> {
  if ((baseConfig === undefined) === (sizes === undefined)) {
    throw new UsageError('give either a base config or the sizes of a GPT-2, as --layers 4 --width 128.');
  }
  if (sizes !== undefined && folder === undefined) {
    throw new UsageError(
      `a GPT-2 of given sizes has no tokenizer; name a model that has one, or ${LETTER_TOKENIZER}, with --tokenizer.`,
    );
  }
  const {path, own, raw} = baseConfig === undefined ? ofSizes(sizes!) : await ofFile(baseConfig);
  const base: Record<string, unknown> = raw.base_config ?? raw;
  const carryFrom = folder ?? own;
  const tokenizer = await Tokenizer.load(carryFrom).catch((error: unknown) => {
    if (folder !== undefined || !(error instanceof FileError)) throw error;
    throw new FileError(`${own} has no tokenizer; name a folder that has one with --tokenizer.`, {
      cause: error,
    });
  });
  const where = raw.base_config ? `${path} (base_config)` : path;
  const {size, bos, eos, pad} = tokenizer.vocabulary();
  if (folder !== undefined) {
    const vocabulary = {vocab_size: size, bos_token_id: bos, eos_token_id: eos, pad_token_id: pad};
    return {base: {...base, ...vocabulary}, carryFrom, where};
  }
  const {vocabulary} = parseArchitecture(base, where);
  if (size > vocabulary) {
    throw new FormatError(
      `${where}: the vocabulary of ${vocabulary} is too small for the ${size} tokens of the tokenizer in ${own}.`,
    );
  }
  return {base, carryFrom, where};
}

/** A config, where it is from, and the folder that may have its tokenizer. */
interface Source {
  path: string;
  own: string;
  raw: z.output<typeof configSchema>;
}

const ofSizes = (sizes: Gpt2Sizes): Source => ({
  path: 'the given sizes',
  own: '',
  raw: gpt2OfSizes(sizes),
});

async function ofFile(baseConfig: string): Promise<Source> {
  const {path, folder} = await configFile(baseConfig);
  return {path, own: folder, raw: await readJson(path, configSchema)};
}

async function configFile(path: string): Promise<{path: string; folder: string}> {
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => {
    const why = error.code === 'ENOENT' ? 'does not exist' : `cannot be read (${error.code})`;
    throw new FileError(`${path} ${why}; give a config.json or a folder that has one.`, {cause: error});
  });
  return found.isDirectory()
    ? {path: join(path, 'config.json'), folder: path}
    : {path, folder: join(path, '..')};
}
