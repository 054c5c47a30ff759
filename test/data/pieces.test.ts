import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeAll, describe, expect, it} from 'vitest';
import {encodePieces} from '../../src/data/encode-pieces.js';
import type {Part} from '../../src/data/parts.js';
import {cutPieces, readPieces} from '../../src/data/pieces.js';
import {FormatError, Tokenizer} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {loadTokenizer, put} from './text.js';

let tokenizer: Tokenizer;
const temp = freshTempFolder();
beforeAll(async () => {
  tokenizer = await loadTokenizer();
});

/** A document in parts of such sizes, as files give them. */
// eslint-disable-next-line @typescript-eslint/require-await
async function* inParts(text: string, size: () => number): AsyncGenerator<Part> {
  for (let start = 0; start < text.length;) {
    const end = start + size();
    yield {text: text.slice(start, end), begins: start === 0, trained: true, place: `${start}`};
    start = end;
  }
}

const collect = async <T>(items: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
};

async function idsOf(text: string, size: () => number, own = tokenizer): Promise<number[]> {
  const pieces = await collect(cutPieces(inParts(text, size), own));
  expect(pieces.map((piece) => piece.text).join('')).toBe(text);
  expect(pieces.map(({begins}) => begins)).toEqual(pieces.map((_, i) => i === 0));
  return pieces.flatMap((piece) => own.encode(piece.text, false));
}

/** Of a tokenizer that cannot take words apart. */
const WHOLE = {wordsApart: false, cutWithinWord: () => null};

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
  it.each(NASTY)('has the ids of the whole: %j', async (text) => {
    const expected = tokenizer.encode(text, false);
    for (const size of [1, 2, 3, 5, 1000]) expect(await idsOf(text, () => size)).toEqual(expected);
  });

  it('has the ids of the whole of a book, and of texts put together at random', async () => {
    const random = xoroshiro128plus(5);
    const book = (await readFile(join(FIXTURES, 'books_train.txt'), 'utf8')).slice(0, 300_000);
    const mixed = Array.from({length: 300}, () => NASTY[uniformInt(random, 0, NASTY.length - 1)]).join('');
    for (const text of [book, mixed]) {
      const expected = tokenizer.encode(text, false);
      expect(await idsOf(text, () => uniformInt(random, 1, 300))).toEqual(expected);
      expect(await idsOf(text, () => 1e6)).toEqual(expected);
    }
  });

  it("has the ids of the whole with OPT's tokenizer", async () => {
    const opt = await Tokenizer.load(join(FIXTURES, 'opt-tiny'));
    const text = NASTY.join(' ').replaceAll('<|endoftext|>', '</s>');
    expect(opt.wordsApart).toBe(true);
    expect(await idsOf(text, () => 7, opt)).toEqual(opt.encode(text, false));
  });

  it('is cut as soon as words end, and a long part into small pieces', async () => {
    const pieces = await collect(
      cutPieces(
        inParts('one two thr', () => 4),
        tokenizer,
      ),
    );
    expect(pieces.map(({text}) => text)).toEqual(['one', ' two', ' thr']);
    const long = await collect(
      cutPieces(
        inParts('word '.repeat(200_000), () => 1e6),
        tokenizer,
      ),
    );
    expect(Math.max(...long.map(({text}) => text.length))).toBeLessThan(70_000);
  });

  it.each([
    ['Chinese', '那是一个漆黑的暴风雨之夜，大雨倾盆而下。'],
    ['Thai', 'มันเป็นคืนที่มืดมิดและมีพายุ'],
    ['words without blanks', "don't,won't!we'll<|endoftext|>1st;2nd🙂é"],
    ['letters of two code units', '𠮷野家，𠮷𠮷！'],
  ])('without a blank is cut within %s, to the ids of the whole', async (_, phrase) => {
    const text = phrase.repeat(Math.ceil(1_300_000 / phrase.length));
    const pieces = await collect(
      cutPieces(
        inParts(text, () => 1 << 16),
        tokenizer,
      ),
    );
    expect(pieces.length).toBeGreaterThan(3);
    expect(pieces.map((piece) => piece.text).join('')).toBe(text);
    const one = tokenizer.encode(phrase, false);
    const ids = pieces.flatMap((piece) => tokenizer.encode(piece.text, false));
    const wanted = Array.from({length: Math.ceil(1_300_000 / phrase.length)}, () => one).flat();
    // The phrases' own ids in a row, since none of them ends within a word.
    expect(ids).toEqual(_ === 'Thai' ? tokenizer.encode(text, false) : wanted);
  });

  it('is one piece where words cannot be taken apart', async () => {
    const pieces = await collect(
      cutPieces(
        inParts('one two three', () => 4),
        WHOLE,
      ),
    );
    expect(pieces.map(({text}) => text)).toEqual(['one two three']);
  });

  it('keeps documents, prompts and completions apart; those without text have none', async () => {
    const rows = [{prompt: 'a b', completion: ' c'}, {prompt: '', completion: 'd'}, {text: ''}, {text: 'e'}];
    const own = rows.slice(0, 2).map((row) => JSON.stringify(row));
    const texts = rows.slice(2).map((row) => JSON.stringify(row));
    const paths = [await put(temp, 'a.jsonl', own.join('\n')), await put(temp, 'b.jsonl', texts.join('\n'))];
    const pieces = (await Promise.all(paths.map((path) => collect(readPieces({path}, tokenizer))))).flat();
    expect(pieces.map(({text, begins, trained}) => [text, begins, trained])).toEqual([
      ['a', true, false],
      [' b', false, false],
      [' c', false, true],
      ['d', true, true],
      ['e', true, true],
    ]);
  });

  it('explains what memory may not hold', async () => {
    const cut = (text: string, size: number, wordsApart: boolean) =>
      collect(
        cutPieces(
          inParts(text, () => size),
          wordsApart ? tokenizer : WHOLE,
        ),
      );
    await expect(cut('x'.repeat((1 << 20) + 1), 1 << 19, true)).rejects.toThrow(
      /^1048576: more than 1048576 characters without/,
    );
    expect(await cut('x'.repeat(1 << 20), 1 << 19, true)).toHaveLength(1);
    await expect(cut('x '.repeat((1 << 23) + 1), 1 << 21, false)).rejects.toThrow(
      /^16777216: the document has more than 16777216 characters/,
    );
  });
});

describe('pieces encoded in threads', () => {
  const encoded = async (path: string, threads: number) => {
    const pieces = await collect(encodePieces(readPieces({path}, tokenizer), tokenizer, threads));
    return pieces.map(({ids, ...piece}) => ({...piece, ids: Array.from(ids)}));
  };

  it('are those of one thread, in their order, whatever their sizes', async () => {
    const book = (await readFile(join(FIXTURES, 'books_train.txt'), 'utf8')).slice(0, 700_000);
    const random = xoroshiro128plus(9);
    const rows: string[] = [];
    for (let start = 0; start < book.length;) {
      const end = start + uniformInt(random, 0, uniformInt(random, 0, 9) === 0 ? 100_000 : 500);
      rows.push(JSON.stringify({text: book.slice(start, end)}));
      start = end;
    }
    const path = await put(temp, 'a.jsonl', rows.join('\n'));
    const alone = await encoded(path, 0);
    expect(alone.length).toBeGreaterThan(100);
    for (const threads of [1, 2, 3]) expect(await encoded(path, threads)).toEqual(alone);
  });

  const rows = (count: number, text: string) => `${JSON.stringify({text})}\n`.repeat(count);

  it.each([
    ['what cannot be encoded', rows(3000, 'x '.repeat(200)) + '{"text":"half \\ud800"}\n' + rows(3000, 'y')],
    ['what cannot be read', rows(3000, 'x '.repeat(200)) + '{"text":1}\n{"text":"half \\ud800"}\n'],
    ['the first of both', rows(9, 'x') + '{"text":"\\ud800"}\n' + rows(9, 'x') + '{"text":1}\n'],
  ])('tell %s as one thread does', async (_, content) => {
    const path = await put(temp, 'a.jsonl', content);
    const failure = async (threads: number) =>
      encoded(path, threads).then(
        () => 'none',
        (error: unknown) => {
          expect(error).toBeInstanceOf(FormatError);
          return (error as Error).message;
        },
      );
    const alone = await failure(0);
    expect(alone).toMatch(/a\.jsonl, line \d+/);
    for (const threads of [1, 3]) expect(await failure(threads)).toBe(alone);
  });

  it('read no further ahead than a few batches, and end with the reader', async () => {
    let read = 0;
    // eslint-disable-next-line @typescript-eslint/require-await
    async function* endless(): AsyncGenerator<Part> {
      for (;;) yield {text: 'word '.repeat(20_000), begins: true, trained: true, place: `${++read}`};
    }
    for await (const {ids} of encodePieces(endless(), tokenizer, 2)) {
      expect(ids.length).toBeGreaterThan(20_000);
      if (read > 30) break;
    }
    expect(read).toBeLessThan(40);
  });

  it('explain a thread that breaks down', async () => {
    const broken = {spec: {}, wordsApart: true} as unknown as Tokenizer;
    const pieces = encodePieces(
      inParts('one two', () => 3),
      broken,
      1,
    );
    await expect(collect(pieces)).rejects.toThrow(/a thread that encodes text broke down/);
  });
});
