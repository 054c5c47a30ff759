import {FormatError} from '../errors.js';

/** No vocabulary comes near this; more ids would only be an attempt on memory. */
const MAX_ID = 1 << 19;

/** A byte-pair encoding: its tokens, and which two become one, the most urgent first. */
export interface BytePairs {
  /** Ids by token. */
  vocabulary: ReadonlyMap<string, number>;
  merges: readonly (readonly [string, string])[];
}

/**
 * Checks a vocabulary, token to id.
 * @param where - the file, and where in it
 * @throws FormatError naming the token whose id is no whole number, out of range or another's too
 */
export function parseVocabulary(value: unknown, where: string): Map<string, number> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new FormatError(`${where}: expected an object of token ids.`);
  }
  const entries = Object.entries(value);
  if (entries.length > MAX_ID) {
    throw new FormatError(`${where}: there are ${entries.length} tokens; at most ${MAX_ID} are read.`);
  }
  const vocabulary = new Map<string, number>();
  const taken = new Uint8Array(MAX_ID);
  for (const [token, id] of entries) {
    requireId(id, `${where}: token ${shortJson(token)}`);
    if (taken[id]) {
      const [other] = entries.find(([, earlier]) => earlier === id)!;
      throw new FormatError(
        `${where}: tokens ${shortJson(other)} and ${shortJson(token)} both have the id ${id}.`,
      );
    }
    taken[id] = 1;
    vocabulary.set(token, id);
  }
  if (vocabulary.size === 0) throw new FormatError(`${where}: the vocabulary is empty.`);
  return vocabulary;
}

/** @throws FormatError, beginning with `what`, for what is no token id */
export function requireId(id: unknown, what: string): asserts id is number {
  if (!(typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < MAX_ID)) {
    throw new FormatError(
      `${what} has the id ${JSON.stringify(id)}; ids are whole numbers from 0, below ${MAX_ID}.`,
    );
  }
}

/**
 * The lines of a merges.txt: two tokens each, with a space between. Lines that begin with `#version` are
 * comments, and empty ones are passed over.
 * @throws FormatError naming the line that is no merge
 */
export function parseMergesText(text: string, path: string, vocabulary: ReadonlyMap<string, number>) {
  const merges: [string, string][] = [];
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line === '' || line.startsWith('#version')) continue;
    merges.push(parseMerge(line, vocabulary, `${path}, line ${index + 1}`));
  }
  return merges;
}

/**
 * The merges of a tokenizer.json, each a pair of tokens or the two with a space between.
 * @throws FormatError naming the place of the one that is no merge
 */
export function parseMergesJson(value: unknown, where: string, vocabulary: ReadonlyMap<string, number>) {
  if (!Array.isArray(value)) throw new FormatError(`${where}: expected a list of merges.`);
  return value.map((merge, index) => parseMerge(merge, vocabulary, `${where}.${index}`));
}

function parseMerge(
  merge: unknown,
  vocabulary: ReadonlyMap<string, number>,
  where: string,
): [string, string] {
  const parts: unknown = typeof merge === 'string' ? merge.split(' ') : merge;
  if (!isPair(parts)) {
    throw new FormatError(`${where}: ${shortJson(merge)} is no merge of two tokens.`);
  }
  const unknown = [...parts, parts.join('')].find((token) => !vocabulary.has(token));
  if (unknown !== undefined) {
    throw new FormatError(
      `${where}: the merge ${shortJson(merge)} needs the token ${shortJson(unknown)}, which the vocabulary lacks.`,
    );
  }
  return parts;
}

const isPair = (value: unknown): value is [string, string] =>
  Array.isArray(value) &&
  value.length === 2 &&
  value.every((part) => typeof part === 'string' && part !== '');

/** A value as JSON, cut to what a message can hold. */
export function shortJson(value: unknown): string {
  const json = JSON.stringify(value) ?? 'nothing';
  return json.length > 80 ? `${json.slice(0, 80)}…` : json;
}
