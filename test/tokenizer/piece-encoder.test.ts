import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeAll, describe, expect, it} from 'vitest';
import {pieceEncoder} from '../../src/tokenizer/piece-encoder.js';
import {readTokenizer} from '../../src/tokenizer/read.js';
import type {TokenizerSpec} from '../../src/tokenizer/spec.js';
import {FIXTURES} from '../helpers/oracle.js';

/** Text that is cut in every way there is, and what stands for more of it. */
const PARTS = [
  ...[' ', '  ', '\n', '\r\n', '\t', '\u0085', '\u00a0', '\u2003', '\ufeff', '\u200b'],
  ...[
    'a',
    'the',
    'Zebra',
    "'s",
    "'ll",
    "'",
    '1',
    '23',
    '٣',
    '.',
    '...',
    '-',
    '<',
    '<|',
    '|>',
    '[',
    'é',
    'e\u0301',
  ],
  ...['你好', '😀', '👩‍👩‍👧', 'ß', '\u0000', '<|endoftext|>', '</s>', '<pad>', 'x'.repeat(80), '!'.repeat(70)],
];

/** So many added tokens that the library must do the work; no text has them. */
const withManyTokens = (spec: TokenizerSpec): TokenizerSpec => ({
  ...spec,
  addedTokens: new Map([
    ...spec.addedTokens,
    ...Array.from({length: 40}, (_, i) => {
      const content = `@@@${i}@@@`;
      const token = {
        id: 600_000 + i,
        content,
        lstrip: false,
        rstrip: false,
        normalized: false,
        special: true,
      };
      return [content, token] as const;
    }),
  ]),
});

/** The ids of texts, by a tokenizer's encoder. */
function encoderOf(spec: TokenizerSpec, wordsApart: boolean): (text: string) => number[] {
  const encode = pieceEncoder(spec, wordsApart);
  return (text) => {
    const ids: number[] = [];
    encode(text, ids);
    return ids;
  };
}

describe.each(['gpt2-books', 'opt-tiny'])('words of %s', (name) => {
  let own: (text: string) => number[];
  let library: (text: string) => number[];
  beforeAll(async () => {
    const {spec} = await readTokenizer(join(FIXTURES, name));
    own = encoderOf(spec, true);
    library = encoderOf(withManyTokens(spec), false);
  });

  it('have the ids that the library gives, new and known', () => {
    const random = xoroshiro128plus(7);
    const texts = Array.from({length: 400}, () =>
      Array.from(
        {length: uniformInt(random, 0, 12)},
        () => PARTS[uniformInt(random, 0, PARTS.length - 1)],
      ).join(''),
    );
    for (const text of [...texts, ...texts]) expect(own(text), JSON.stringify(text)).toEqual(library(text));
  });

  it('have them in a book', async () => {
    const book = (await readFile(join(FIXTURES, 'books_train.txt'), 'utf8')).slice(0, 60_000);
    expect(own(book)).toEqual(library(book));
  });
});

describe('a vocabulary', () => {
  it.each([null, '<|endoftext|>'])(
    'that lacks a byte is the library’s, unknown token %j',
    async (unknownToken) => {
      const {spec} = await readTokenizer(join(FIXTURES, 'gpt2-books'));
      const vocabulary = new Map(spec.vocabulary);
      vocabulary.delete('q');
      const merges = spec.merges.filter((pair) => !pair.join('').includes('q'));
      const encode = encoderOf({...spec, vocabulary, merges, unknownToken}, true);
      const end = spec.vocabulary.get('<|endoftext|>')!;
      const around = encoderOf(spec, true);
      expect(encode('a q b')).toEqual([...around('a '), ...(unknownToken ? [end] : []), ...around(' b')]);
    },
  );
});
