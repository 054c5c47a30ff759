import {LETTERS} from './letters.js';

const END = '<|endoftext|>';

/** GPT-2's byte-level alphabet writes the space so. */
const SPACE = 'Ġ';

/**
 * A tokenizer for the synthetic tasks, as the files of a folder by name: GPT-2's kind of byte-level BPE, whose only
 * merges put a space before a letter. Its 301 tokens, in this order: the end of a text, the 256 bytes, and the
 * letters of the tasks' symbols behind a space, lower case first. Any text can be encoded; a symbol is one token.
 * @param byteCharacters - GPT-2's byte-level alphabet
 */
export function letterTokenizer(byteCharacters: readonly string[]): Record<string, unknown> {
  const letters = [...LETTERS, ...LETTERS.toUpperCase()];
  const tokens = [END, ...byteCharacters, ...letters.map((letter) => SPACE + letter)];
  const byteLevel = {type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true};
  return {
    'tokenizer.json': {
      version: '1.0',
      added_tokens: [{id: 0, content: END, special: true}],
      pre_tokenizer: byteLevel,
      post_processor: byteLevel,
      decoder: byteLevel,
      model: {
        type: 'BPE',
        vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
        merges: letters.map((letter) => [SPACE, letter]),
      },
    },
    'tokenizer_config.json': {bos_token: END, eos_token: END, unk_token: END},
  };
}
