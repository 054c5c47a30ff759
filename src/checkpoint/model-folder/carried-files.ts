import {copyFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {z} from 'zod';
import {exists, ownFile, readJson, readText} from '../../files/index.js';
import {withoutTokenizerClass, withTokenizerClass} from './tokenizer-class.js';

const TOKENIZER_CONFIG = 'tokenizer_config.json';

/** Files beside the weights that a derived model takes along. */
export const CARRIED_FILES = [
  'generation_config.json',
  'tokenizer.json',
  TOKENIZER_CONFIG,
  'special_tokens_map.json',
  'added_tokens.json',
  'vocab.json',
  'merges.txt',
  'vocab.txt',
  'tokenizer.model',
  'spiece.model',
  'chat_template.jinja',
];

const name = z.string().nullish();
const configSchema = z.looseObject({
  model_type: name,
  tokenizer_class: name,
  base_config: z.looseObject({tokenizer_class: name}).nullish(),
});
type Config = z.output<typeof configSchema>;

/**
 * Copies a model's carried files, byte for byte but for one thing. Transformers' AutoTokenizer takes the tokenizer's
 * class from tokenizer_config.json, else from the model type, and ztt is none that it knows: so a class that is
 * missing is put into a ZTT model's tokenizer_config.json, and taken out again for a plain model.
 * @param config - the content of the config.json beside them
 * @returns the same; a class that was put in stands there too, as `tokenizer_class`
 * @throws FormatError for a broken file that the class depends on
 */
export async function carryFiles(
  from: string,
  to: string,
  config: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  for (const file of CARRIED_FILES) {
    const path = await ownFile(from, file);
    if (path !== null) await copyFile(path, join(to, file));
  }
  const own = await optional(join(from, 'config.json'));
  const added = own?.model_type === 'ztt' ? (own.tokenizer_class ?? null) : null;
  if (config.model_type !== 'ztt') {
    if (added !== null) await rewrite(from, to, (text) => text && withoutTokenizerClass(text, added));
    return config;
  }
  if (added !== null) return {...config, tokenizer_class: added};
  const missing = await missingClass(from, configSchema.parse(config));
  if (missing === null) return config;
  await rewrite(from, to, (text) => withTokenizerClass(text, missing));
  return {...config, tokenizer_class: missing};
}

/**
 * Tells before long work what `carryFiles` would.
 * @throws FileError for a link that leads out of the folder, or a pipe; FormatError for a broken file that a ZTT
 *   model's tokenizer class depends on
 */
export async function checkCarriedFiles(from: string, config: Record<string, unknown>): Promise<void> {
  for (const file of CARRIED_FILES) await ownFile(from, file);
  await missingClass(from, configSchema.parse(config));
}

async function rewrite(
  from: string,
  to: string,
  edit: (text: string | null) => string | null,
): Promise<void> {
  const path = join(from, TOKENIZER_CONFIG);
  const text = edit((await exists(path)) ? await readText(path) : null);
  const target = join(to, TOKENIZER_CONFIG);
  if (text === null) await rm(target, {force: true});
  else await writeFile(target, text);
}

const step = z.looseObject({type: z.string()}).nullish();
const tokenizerSchema = z.looseObject({normalizer: step, pre_tokenizer: step});

/**
 * The class that a folder's tokenizer_config.json does not name: GPT-2's, which Transformers takes for GPT-2 and OPT,
 * unless the model's config has another, or tokenizer.json does more and must be taken as it is. Null where it is
 * named, or where there is no tokenizer.
 */
async function missingClass(folder: string, config: Config): Promise<string | null> {
  if ((await optional(join(folder, TOKENIZER_CONFIG)))?.tokenizer_class) return null;
  const inConfig = config.tokenizer_class ?? config.base_config?.tokenizer_class;
  if (inConfig) return inConfig;
  const path = join(folder, 'tokenizer.json');
  if (await exists(path)) {
    const {normalizer, pre_tokenizer: words} = await readJson(path, tokenizerSchema);
    return !normalizer && words?.type === 'ByteLevel' ? 'GPT2Tokenizer' : 'PreTrainedTokenizerFast';
  }
  return (await exists(join(folder, 'vocab.json'))) ? 'GPT2Tokenizer' : null;
}

async function optional(path: string): Promise<Config | null> {
  return (await exists(path)) ? readJson(path, configSchema) : null;
}
