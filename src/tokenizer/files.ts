import {join} from 'node:path';
import {z} from 'zod';
import {exists, readJson} from '../files/index.js';
import {UnsupportedError} from '../errors.js';
import type {Addition} from './added-tokens.js';
import {
  addedTokensSchema,
  configSchema,
  specialTokensSchema,
  type SpecialTokens,
  type TokenizerConfig,
} from './config.js';
import {shortJson} from './vocabulary.js';

/** No tokenizer's file comes near this. */
export const MAX_BYTES = 64 << 20;

/** The class of GPT-2's and OPT's tokenizer in Transformers, and of one whose files name none. */
const GPT2_CLASS = 'GPT2Tokenizer';

/** Classes with which Transformers 5 takes a tokenizer.json as it stands. Others may build a pipeline of their own. */
const PLAIN_CLASSES = new Set(['PreTrainedTokenizer', 'TokenizersBackend']);

/** What config.json may say of the tokenizer's class, which counts where tokenizer_config.json names none. */
const modelConfigSchema = z.looseObject({
  tokenizer_class: z.string().nullish(),
  base_config: z.looseObject({tokenizer_class: z.string().nullish()}).nullish(),
});

/** The small files beside the vocabulary. */
export interface Files {
  config: TokenizerConfig;
  map: SpecialTokens;
  /** Tokens that the files add, by their own account. */
  additions: Addition[];
  /** Whether tokenizer_config.json lists all of them, and what other files add is not asked. */
  complete: boolean;
  /** Whether Transformers takes the tokenizer for GPT-2's. */
  gpt2: boolean;
  configPath: string;
  /** A note where Transformers may not take a tokenizer.json of this class as it stands; null where it does. */
  classNote: string | null;
}

/** @throws FormatError for a broken file, UnsupportedError for what is not done */
export async function readFiles(folder: string): Promise<Files> {
  const optional = async <T extends z.ZodType>(name: string, schema: T): Promise<z.output<T> | undefined> => {
    const path = join(folder, name);
    return (await exists(path)) ? readJson(path, schema, MAX_BYTES) : undefined;
  };
  const configPath = join(folder, 'tokenizer_config.json');
  const config = (await optional('tokenizer_config.json', configSchema)) ?? {};
  if (config.split_special_tokens) {
    throw new UnsupportedError(`${configPath}: split_special_tokens is not supported.`);
  }
  const model = await optional('config.json', modelConfigSchema);
  const given =
    config.tokenizer_class ?? model?.tokenizer_class ?? model?.base_config?.tokenizer_class ?? GPT2_CLASS;
  const name = given.replace(/Fast$/, '');
  const decoder = config.added_tokens_decoder;
  const map = decoder ? undefined : await optional('special_tokens_map.json', specialTokensSchema);
  const added = decoder ? undefined : await optional('added_tokens.json', addedTokensSchema);
  const where = join(folder, 'added_tokens.json');
  return {
    config,
    map: map ?? {},
    additions: decoder
      ? Object.entries(decoder).map(([id, token]) => ({token, id: Number(id), where: configPath}))
      : Object.entries(added ?? {}).map(([content, id]) => ({token: {content}, id, where})),
    complete: Boolean(decoder),
    gpt2: name === GPT2_CLASS,
    configPath,
    classNote:
      name === GPT2_CLASS || PLAIN_CLASSES.has(name)
        ? null
        : `${configPath}: tokenizer.json is read as it stands, but for tokenizer_class ${shortJson(given)} Transformers 5 may build a pipeline of its own, with other ids; name PreTrainedTokenizerFast there if tokenizer.json is right.`,
  };
}
