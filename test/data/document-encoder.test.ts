import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {beforeAll, describe, expect, it} from 'vitest';
import {DocumentEncoder} from '../../src/data/document-encoder.js';
import {Tokenizer} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {loadTokenizer} from './text.js';

let tokenizer: Tokenizer;
beforeAll(async () => {
  tokenizer = await loadTokenizer();
});

/** What the tokenizer would be if its words could not be taken apart. */
const whole = (tokenizer: Tokenizer): Tokenizer =>
  Object.create(tokenizer, {wordsApart: {value: false}}) as Tokenizer;

function encodeInPieces(encoder: DocumentEncoder, text: string, sizes: () => number): number[] {
  const ids: number[] = [];
  for (let start = 0; start < text.length;) {
    const end = start + sizes();
    ids.push(...encoder.add(text.slice(start, end), 'here'));
    start = end;
  }
  return [...ids, ...encoder.end()];
}

const NASTY = [
  ' ',
  '\n\n',
  'one two',
  ' one  two   ',
  "don't  I'll 'tis ' s 's\n's",
  'a\tb\r\nc\u00a0d\u2003e\u3000f\u0085g\ufeffh\u200bi',
  'a\u0085 b!\u0085\n c \u0085d\t',
  'a\t b \t c\r\n\r\n d\u00a0',
  '你好 世界\n你好，世界 😀 👩‍👩‍👧 é e\u0301',
  'x <|endoftext|> y<|endoftext|>z <|endoftext|>',
  '1 23\n 456 ...!!! -- a_b-c "q" (r)\n\n\n   end  \n',
];

describe('a document in pieces', () => {
  it.each(NASTY)('gives the ids of the whole: %j', (text) => {
    const expected = tokenizer.encode(text, false);
    for (const size of [1, 2, 3, 5, 1000]) {
      const encoder = new DocumentEncoder(tokenizer);
      expect(encodeInPieces(encoder, text, () => size)).toEqual(expected);
      // And again, with the words known.
      expect(encodeInPieces(encoder, text, () => size)).toEqual(expected);
    }
  });

  it('gives the ids of the whole of a book, and of texts put together at random', async () => {
    const random = xoroshiro128plus(5);
    const encoder = new DocumentEncoder(tokenizer);
    const book = (await readFile(join(FIXTURES, 'books_train.txt'), 'utf8')).slice(0, 100_000);
    const mixed = Array.from({length: 300}, () => NASTY[uniformInt(random, 0, NASTY.length - 1)]).join('');
    for (const text of [book, mixed]) {
      const ids = encodeInPieces(encoder, text, () => uniformInt(random, 1, 300));
      expect(ids).toEqual(tokenizer.encode(text, false));
    }
  });

  it("gives the ids of the whole with OPT's tokenizer", async () => {
    const opt = await Tokenizer.load(join(FIXTURES, 'opt-tiny'));
    const text = NASTY.join(' ').replaceAll('<|endoftext|>', '</s>');
    expect(opt.wordsApart).toBe(true);
    expect(encodeInPieces(new DocumentEncoder(opt), text, () => 7)).toEqual(opt.encode(text, false));
  });

  it('holds back no more than a word', () => {
    const encoder = new DocumentEncoder(tokenizer);
    expect(encoder.add('one two thr', 'here')).toEqual(tokenizer.encode('one two', false));
    expect(encoder.end()).toEqual(tokenizer.encode(' thr', false));
  });

  it('explains what memory may not hold', () => {
    const long = 'x'.repeat(1 << 19);
    const encoder = new DocumentEncoder(tokenizer);
    expect(encoder.add(long, 'a.txt, line 1')).toEqual([]);
    encoder.add(long, 'a.txt, line 1');
    expect(() => encoder.add('x', 'a.txt, line 1')).toThrow(
      /a\.txt, line 1: more than 1048576 characters without/,
    );
    const words = new DocumentEncoder(whole(tokenizer));
    const add = () => words.add('x '.repeat(1 << 20), 'a.txt, line 7');
    for (let i = 0; i < 8; i++) expect(add()).toEqual([]);
    expect(add).toThrow(/a\.txt, line 7: the document has more than 16777216 characters/);
  });

  it('is encoded whole where words cannot be taken apart', () => {
    const encoder = new DocumentEncoder(whole(tokenizer));
    expect(encoder.add('one two ', 'here')).toEqual([]);
    encoder.add('three', 'here');
    expect(encoder.end()).toEqual(tokenizer.encode('one two three', false));
  });
});
