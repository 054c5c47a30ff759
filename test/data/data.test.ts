import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {BlockBatches, readDocuments, streamSha256, tokenStream} from '../../src/data/index.js';
import {Tokenizer} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {makeTempFolder, type TempFolder} from '../helpers/temp.js';

let temp: TempFolder;
beforeEach(async () => {
  temp = await makeTempFolder();
});
afterEach(() => temp.remove());

async function file(name: string, content: string | Uint8Array): Promise<string> {
  await writeFile(temp.path(name), content);
  return temp.path(name);
}

describe('readDocuments', () => {
  it('takes a text file as one document and a .jsonl file as one a line', async () => {
    expect(await readDocuments(await file('a.txt', 'one\n\ntwo\n'))).toEqual(['one\n\ntwo\n']);
    const rows = '{"text": "one"}\n\n{"text": "two", "id": 2}\n';
    expect(await readDocuments(await file('a.jsonl', rows))).toEqual(['one', 'two']);
  });

  it.each([
    ['missing.txt', null, /missing\.txt cannot be read: no such file/],
    ['empty.txt', '', /empty\.txt holds no text/],
    ['blank.jsonl', '\n\n', /holds no text/],
    ['bytes.txt', new Uint8Array([97, 10, 98, 10, 255, 254]), /bytes\.txt, line 3: .* UTF-8/],
    ['broken.jsonl', '{"text": "a"}\n{"text": ', /broken\.jsonl, line 2 is no valid JSON/],
    ['column.jsonl', '{"text": "a"}\n{"content": "b"}', /column\.jsonl, line 2 at text: expected a string/],
    ['list.jsonl', '[1]', /list\.jsonl, line 1/],
  ])('explains %s', async (name, content, message) => {
    if (content !== null) await file(name, content);
    await expect(readDocuments(temp.path(name))).rejects.toThrow(message);
  });
});

describe('tokenStream', () => {
  it('puts the separator in front of every document, of all files in order', async () => {
    const tokenizer = await Tokenizer.load(join(FIXTURES, 'gpt2-books'));
    const files = [await file('a.jsonl', '{"text":"one"}\n{"text":"two"}'), await file('b.txt', 'three')];
    const encode = (text: string) => tokenizer.encode(text, false);
    const expected = [0, ...encode('one'), 0, ...encode('two'), 0, ...encode('three')];
    expect([...(await tokenStream({files, tokenizer, separator: 0}))]).toEqual(expected);
    expect([...(await tokenStream({files, tokenizer, separator: null}))]).toEqual(
      expected.filter((id) => id !== 0),
    );
  });
});

describe('BlockBatches', () => {
  const stream = Int32Array.from({length: 103}, (_, i) => i);

  it('deals out every block once an epoch, in an order of the seed and the epoch', () => {
    const batches = new BlockBatches(stream, 10, 5, 3);
    expect(batches.blocks).toBe(10);
    const epoch = (n: number) => [...batches.batch(2 * n), ...batches.batch(2 * n + 1)];
    for (const n of [0, 1, 7]) {
      const starts = epoch(n).map((block) => block[0]!);
      expect([...starts].sort((a, b) => a - b)).toEqual([0, 10, 20, 30, 40, 50, 60, 70, 80, 90]);
      for (const block of epoch(n)) expect(block).toEqual(block.map((_, i) => block[0]! + i));
    }
    expect(epoch(0)).not.toEqual(epoch(1));
    expect(new BlockBatches(stream, 10, 5, 4).batch(0)).not.toEqual(batches.batch(0));
    // A batch depends on its number alone, not on what was asked for before.
    expect(new BlockBatches(stream, 10, 5, 3).batch(15)).toEqual(batches.batch(15));
  });

  it('refuses a stream shorter than a block', () => {
    expect(() => new BlockBatches(stream, 104, 1, 0)).toThrow(/103 tokens, fewer than one sequence of 104/);
  });
});

it('tells streams apart by their sha256', () => {
  const digest = streamSha256(Int32Array.of(1, 2, 3));
  expect(digest).toMatch(/^[0-9a-f]{64}$/);
  expect(streamSha256(Int32Array.of(1, 2, 4))).not.toBe(digest);
});
