import {join} from 'node:path';
import {z} from 'zod';
import {exists, parseWith, readJson} from '../files/index.js';
import type {Architecture} from './architecture.js';

// Three files say which tokens end a text: generation_config.json, config.json and the tokenizer's. This file holds the
// rule for each use, and says where they contradict each other.

const GENERATION_CONFIG = 'generation_config.json';
/** No generation_config.json comes near this. */
const MAX_BYTES = 1 << 20;
/** No model has so many tokens that end a text. */
const MAX_END_TOKENS = 1024;

/** Token ids that end a text, as config.json and generation_config.json write them: one, several, or none. */
export const endTokenIds = z
  .union([z.number().int().nonnegative(), z.array(z.number().int().nonnegative()).max(MAX_END_TOKENS)])
  .nullish()
  .transform((ids): readonly number[] =>
    Array.isArray(ids) ? ids : ids === null || ids === undefined ? [] : [ids],
  );

const generationSchema = z.looseObject({eos_token_id: z.unknown().optional()});

/** The tokens that end a generated text, and what a user should know of how they were found. */
export interface GenerationEnd {
  ids: readonly number[];
  notes: readonly string[];
}

/**
 * The tokens that end a generated text, as in Transformers: those of generation_config.json, else those of config.json.
 * @throws FileError or FormatError for a generation_config.json that cannot be read
 */
export async function generationEnd(folder: string, arch: Architecture): Promise<GenerationEnd> {
  const path = join(folder, GENERATION_CONFIG);
  const ids = arch.eosTokenIds;
  if (!(await exists(path))) return {ids, notes: []};
  const {eos_token_id: own} = await readJson(path, generationSchema, MAX_BYTES);
  if (own !== undefined && own !== null) {
    return {ids: parseWith(endTokenIds, own, `${path} at eos_token_id`), notes: []};
  }
  if (ids.length === 0) return {ids, notes: []};
  const note = `${path} names no eos_token_id; generated texts end at config.json's (${ids.join(', ')}), while Transformers does not end them.`;
  return {ids, notes: [note]};
}

/** What the end of a text takes of a tokenizer. */
export interface EndTokenizer {
  /** Ids of the tokens that it names; null where it names none. */
  vocabulary(): {bos: number | null; eos: number | null};
  /** Whether an id is a token that marks something, and is no text. */
  isSpecial(id: number): boolean;
  decode(ids: readonly number[]): string;
}

/** The token between documents, and what a user should know of how it was chosen. */
export interface Separator {
  /** Null where no file names one. */
  id: number | null;
  notes: readonly string[];
}

/**
 * The token that tells documents apart in training: the one that the tokenizer ends a text with, else config.json's,
 * else the one that begins a text.
 */
export function separatorOf(arch: Architecture, tokenizer: EndTokenizer): Separator {
  const {bos, eos} = tokenizer.vocabulary();
  const within = (id: number | null | undefined) =>
    id !== null && id !== undefined && id < arch.vocabulary ? id : null;
  const [own, configured] = [within(eos), within(arch.eosTokenIds[0])];
  const id = own ?? configured ?? within(bos) ?? within(arch.bosTokenId);
  if (id === null) return {id, notes: []};
  const contradicted = own !== null && configured !== null && !arch.eosTokenIds.includes(own);
  if (contradicted) {
    const note = `the tokenizer ends a text with ${shown(own, tokenizer)}, config.json's eos_token_id is ${shown(configured, tokenizer)}; documents are told apart by the tokenizer's.`;
    return {id, notes: [note]};
  }
  if (tokenizer.isSpecial(id)) return {id, notes: []};
  const note = `documents are told apart by ${shown(id, tokenizer)}, which is an ordinary token: the tokenizer names no token that ends a text; name an eos_token in its tokenizer_config.json.`;
  return {id, notes: [note]};
}

/** A note where generated texts end at other tokens than the tokenizer ends a text with. */
export function contradictedEnd(ids: readonly number[], tokenizer: EndTokenizer): string | null {
  const {eos} = tokenizer.vocabulary();
  if (eos === null || ids.length === 0 || ids.includes(eos)) return null;
  const listed = ids.slice(0, 8).map((id) => shown(id, tokenizer));
  return `the model's configs end a text with ${listed.join(', ')}, the tokenizer with ${shown(eos, tokenizer)}; the text ends at the configs', as in Transformers.`;
}

/** For example `400 (" all")`. */
const shown = (id: number, tokenizer: EndTokenizer): string =>
  `${id} (${JSON.stringify(tokenizer.decode([id]))})`;
