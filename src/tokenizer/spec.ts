import {FormatError} from '../errors.js';
import {addTokens, specialAdditions, type AddedToken, type Addition, type Named} from './added-tokens.js';
import type {NamedToken, SpecialTokens} from './config.js';
import type {Files} from './files.js';
import type {NormalForm, PreTokenizer, Surroundings} from './pipeline.js';
import type {BytePairs} from './vocabulary.js';

/** Everything that a byte-level BPE tokenizer's files say, checked. */
export interface TokenizerSpec extends BytePairs, PreTokenizer, Surroundings {
  normalForms: NormalForm[];
  /** Whether a piece that is a token stays whole, whatever the merges. */
  ignoreMerges: boolean;
  /** The token for a byte that the vocabulary lacks; null drops it. */
  unknownToken: string | null;
  /** By content. */
  addedTokens: ReadonlyMap<string, AddedToken>;
  /** Ids of the tokens that begin, end and fill up a text; null where there are none. */
  named: {bos: number | null; eos: number | null; pad: number | null};
}

/** What Transformers' GPT2Tokenizer takes where the files name none. */
const GPT2_TOKEN: Record<'bos_token' | 'eos_token' | 'unk_token', {content: string}> = {
  bos_token: {content: '<|endoftext|>'},
  eos_token: {content: '<|endoftext|>'},
  unk_token: {content: '<|endoftext|>'},
};

/** A tokenizer whose special tokens are yet to come. */
export type Untokened = Omit<TokenizerSpec, 'addedTokens' | 'named'>;

/**
 * Adds the tokens of the files to those of tokenizer.json.
 * @throws FormatError where they contradict each other, or what surrounds a text is no token; UnsupportedError as
 *   `addTokens`
 */
export function withTokens(spec: Untokened, own: readonly Addition[], files: Files): TokenizerSpec {
  const {config, map, gpt2, complete, configPath} = files;
  const named: Named = {...(gpt2 ? GPT2_TOKEN : {}), ...given(config), ...given(map)};
  const id = ({id: value}: Addition) => Number(value);
  // Of two with one id the first counts, and a list that is complete says how its tokens are matched.
  const both = complete ? [...files.additions, ...own] : [...own, ...files.additions];
  const listed = both.sort((a, b) => id(a) - id(b));
  const specials = specialAdditions(named, [config, map], configPath);
  const specialContents = new Set(specials.map(({token}) => token.content));
  // added_tokens.json tells nothing but the id.
  const additions = listed.map((addition) => ({
    ...addition,
    token: {
      ...addition.token,
      special: addition.token.special ?? specialContents.has(addition.token.content),
    },
  }));
  const addedTokens = addTokens([...additions, ...specials], spec.vocabulary);
  const known = new Set([...spec.vocabulary.values(), ...[...addedTokens.values()].map((token) => token.id)]);
  const unknown = [...spec.before, ...spec.after].find((value) => !known.has(value));
  if (unknown !== undefined) {
    throw new FormatError(`${configPath}: the tokenizer puts id ${unknown} around texts, which is no token.`);
  }
  const idOf = (name: NamedToken): number | null => {
    const content = named[name]?.content;
    return content === undefined ? null : (addedTokens.get(content)?.id ?? null);
  };
  const ids = {bos: idOf('bos_token'), eos: idOf('eos_token'), pad: idOf('pad_token')};
  return {...spec, addedTokens, named: ids};
}

/** The named tokens that a file speaks of. */
function given(file: SpecialTokens): Named {
  return Object.fromEntries(Object.entries(file).filter(([, value]) => value !== undefined));
}
