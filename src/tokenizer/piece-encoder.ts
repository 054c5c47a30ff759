import * as tokenizers from '@huggingface/tokenizers';
import {BytePairEncoder} from './byte-pairs.js';
import {WORDS} from './pipeline.js';
import type {TokenizerSpec} from './spec.js';
import {wordEncoder, type EncodeWord} from './word-encoder.js';

/** Adds to ids those of a text that is not too long, without those that the tokenizer puts around it. */
export type EncodePiece = (text: string, ids: number[]) => void;

/** What is used of the package; its own types cannot be resolved by Node's rules (imports without extensions). */
const {Tokenizer: HubTokenizer} = tokenizers as unknown as {
  Tokenizer: new (json: object, config: object) => {encode(text: string): {ids: number[]}};
};

/**
 * What may be encoded by itself where texts can be cut before every space and new line that follows what is no white
 * space: all between two such places. U+0085 is white space in Unicode, though not to \s.
 */
const BETWEEN_CUTS =
  /[\s\x85]*[^\s\x85]+(?:(?:[^\S \n]|\x85)[\s\x85]*[^\s\x85]+)*(?:(?:[^\S \n]|\x85)[\s\x85]*)?|[\s\x85]+/g;

/** GPT-2's words for JavaScript, whose own \s is not Unicode's white space, as that of tokenizer.json is. */
const GPT2_WORD = new RegExp(
  WORDS.replaceAll('[^\\s', '[^\\p{White_Space}')
    .replaceAll('\\s', '\\p{White_Space}')
    .replaceAll('\\S', '\\P{White_Space}'),
  'gu',
);

/** Merging a word of our own takes time that grows with the square of its length; the library has a queue. */
const MAX_OWN_LENGTH = 64;

/** The pattern that finds them tries each of them at each place. */
const MAX_ADDED_TOKENS = 32;

/**
 * Encodes as a tokenizer does: by the library, and past it where words can be encoded by themselves.
 * @param wordsApart - whether texts can be cut before every space and new line that follows what is no white space
 */
export function pieceEncoder(spec: TokenizerSpec, wordsApart: boolean): EncodePiece {
  let library: InstanceType<typeof HubTokenizer> | undefined;
  const encodeAny: EncodeWord = (text) => {
    library ??= new HubTokenizer(libraryJson(spec), {});
    return library.encode(text).ids;
  };
  const gpt2 = gpt2Encoder(spec, encodeAny);
  if (gpt2) return gpt2;
  if (wordsApart) return wordEncoder(BETWEEN_CUTS, encodeAny);
  return (text, ids) => {
    for (const id of encodeAny(text)) ids.push(id);
  };
}

/**
 * For tokenizers that cut text at added tokens and into GPT-2's words, and do nothing else with it: GPT-2's and OPT's.
 * Null for others.
 */
function gpt2Encoder(spec: TokenizerSpec, encodeAny: EncodeWord): EncodePiece | null {
  const {splits, normalForms, prefixSpace, ignoreMerges, addedTokens} = spec;
  const plain = splits.length === 1 && splits[0]!.pattern === WORDS && normalForms.length === 0;
  if (!plain || prefixSpace || ignoreMerges || addedTokens.size > MAX_ADDED_TOKENS) return null;
  if ([...addedTokens.values()].some(({lstrip, rstrip}) => lstrip || rstrip)) return null;
  const pairs = BytePairEncoder.of(spec);
  if (!pairs) return null;
  const encodeWords = wordEncoder(GPT2_WORD, (word) =>
    word.length > MAX_OWN_LENGTH ? encodeAny(word) : pairs.encode(word),
  );
  // Of two tokens that begin alike, the longer one is meant.
  const contents = [...addedTokens.keys()].sort((a, b) => b.length - a.length);
  const added = contents.length > 0 ? new RegExp(`(${contents.map(escape).join('|')})`, 'u') : null;
  return (text, ids) => {
    for (const [i, part] of (added ? text.split(added) : [text]).entries()) {
      // What is captured stands between what is not.
      if (i % 2 === 1) ids.push(addedTokens.get(part)!.id);
      else encodeWords(part, ids);
    }
  };
}

/** A regular expression's source that finds a text. */
const escape = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');

/** The tokenizer.json that the library runs: nothing in it that was not checked, and no pattern but ztt's own. */
function libraryJson(spec: TokenizerSpec): object {
  const splits = spec.splits.map(({pattern, removed}) => ({
    type: 'Split',
    pattern: {Regex: pattern},
    behavior: removed ? 'Removed' : 'Isolated',
    // Words leave nothing between them, and are found faster than split off.
    invert: pattern === WORDS,
  }));
  const prefixSpace = {type: 'Replace', pattern: {Regex: '\\A[^ ]'}, content: ' $&'};
  return {
    normalizer:
      spec.normalForms.length > 0
        ? {type: 'Sequence', normalizers: spec.normalForms.map((type) => ({type}))}
        : null,
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...(spec.prefixSpace ? [prefixSpace] : []),
        ...splits,
        {type: 'ByteLevel', add_prefix_space: false, use_regex: false},
      ],
    },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(spec.vocabulary),
      merges: spec.merges,
      unk_token: spec.unknownToken,
      ignore_merges: spec.ignoreMerges,
    },
    post_processor: null,
    decoder: null,
    added_tokens: [...spec.addedTokens.values()],
  };
}
