import {FormatError, UnsupportedError} from '../errors.js';
import {NAMED_TOKENS, type NamedToken, type RawAddedToken, type SpecialTokens} from './config.js';
import {requireId, shortJson} from './vocabulary.js';

const MAX_ADDED_TOKENS = 1 << 16;

/** Characters of all added tokens together: the library that finds them takes some 320 bytes for each. */
const MAX_ADDED_CHARACTERS = 1 << 18;

/** A token that is found in the text before anything else. */
export interface AddedToken {
  id: number;
  content: string;
  /** Whether white space on its left, or right, belongs to it. */
  lstrip: boolean;
  rstrip: boolean;
  /** Whether it is looked for in the normalised text. */
  normalized: boolean;
  /** Whether it marks something, and is no text. */
  special: boolean;
}

/** A token that a file adds, with the id it gives it, where it gives one. */
export interface Addition {
  token: RawAddedToken;
  id?: unknown;
  /** The file. */
  where: string;
}

/**
 * The added tokens with their ids, as Transformers 5 adds them: one that the vocabulary has keeps its id, another
 * gets the next; of two with one content the first counts.
 * @throws FormatError where a file gives another id, UnsupportedError for what is not matched as text
 */
export function addTokens(
  additions: readonly Addition[],
  vocabulary: ReadonlyMap<string, number>,
): Map<string, AddedToken> {
  const taken = new Set(vocabulary.values());
  const added = new Map<string, AddedToken>();
  let last = -1;
  let characters = 0;
  for (const {token, id: given, where} of additions) {
    const {content} = token;
    if (added.has(content)) continue;
    if (token.single_word) {
      throw new UnsupportedError(
        `${where}: token ${shortJson(content)} is single_word, which is not supported.`,
      );
    }
    const known = vocabulary.get(content);
    const id = known ?? Math.max(vocabulary.size, last + 1);
    if (given !== undefined) requireId(given, `${where}: token ${shortJson(content)}`);
    if ((given !== undefined && given !== id) || (known === undefined && taken.has(id))) {
      throw new FormatError(
        `${where}: token ${shortJson(content)} has the id ${String(given ?? id)}, but the vocabulary and the tokens added before it give ${id}.`,
      );
    }
    taken.add(id);
    last = Math.max(last, id);
    const special = token.special ?? false;
    added.set(content, {
      id,
      content,
      lstrip: token.lstrip ?? false,
      rstrip: token.rstrip ?? false,
      normalized: token.normalized ?? !special,
      special,
    });
    characters += content.length;
    if (characters > MAX_ADDED_CHARACTERS) {
      throw new UnsupportedError(
        `${where}: added tokens of more than ${MAX_ADDED_CHARACTERS} characters in all are not supported.`,
      );
    }
    if (added.size > MAX_ADDED_TOKENS) {
      throw new UnsupportedError(`${where}: more than ${MAX_ADDED_TOKENS} added tokens are not supported.`);
    }
  }
  return added;
}

/** The named special tokens of the files, the later files' first; null where one says that there is none. */
export type Named = Partial<Record<NamedToken, RawAddedToken | null>>;

/** The special tokens of a file as additions: the named ones, other `*_token` entries, then those without a name. */
export function specialAdditions(named: Named, files: readonly SpecialTokens[], where: string): Addition[] {
  const listed = files.flatMap((file) => {
    const extra = file.extra_special_tokens ?? file.additional_special_tokens ?? [];
    return Array.isArray(extra) ? extra : Object.values(extra);
  });
  return [...NAMED_TOKENS.map((name) => named[name]), ...listed].flatMap((token) =>
    token ? [{token: {...token, special: true}, where}] : [],
  );
}
