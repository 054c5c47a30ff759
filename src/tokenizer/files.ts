import {join} from 'node:path';
import type {z} from 'zod';
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

/** No tokenizer's file comes near this. */
export const MAX_BYTES = 64 << 20;

/** What GPT-2's and OPT's tokenizer is called in Transformers; what has no name is it too. */
const GPT2_CLASS = /^GPT2Tokenizer(Fast)?$/;

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
    gpt2: GPT2_CLASS.test(config.tokenizer_class ?? 'GPT2Tokenizer'),
    configPath,
  };
}
