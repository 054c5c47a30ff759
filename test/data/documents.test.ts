import {gzipSync} from 'node:zlib';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {FormatError, ZttError} from '../../src/errors.js';
import {freshTempFolder} from '../helpers/temp.js';
import {documentsOf, put} from './text.js';

const temp = freshTempFolder();

const bytes = (...parts: (string | number[])[]) =>
  Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part) : Buffer.from(part))));

describe('documents', () => {
  it('a text file is one, whatever pieces it is read in', async () => {
    const text = 'één 😀\n\n'.repeat(30_000);
    expect(await documentsOf({path: await put(temp, 'a.txt', text)})).toEqual([text]);
    expect(await documentsOf({path: await put(temp, 'a.txt.gz', gzipSync(text))})).toEqual([text]);
  });

  it('a row of a .jsonl file is one; blank lines are none', async () => {
    const rows = '{"text": "one"}\n\n{"text": "two", "id": 2}\r\n{"text":"three"}';
    for (const name of ['a.jsonl', 'a.ndjson', 'a.json']) {
      expect(await documentsOf({path: await put(temp, name, rows)})).toEqual(['one', 'two', 'three']);
    }
    expect(await documentsOf({path: await put(temp, 'a.jsonl.gz', gzipSync(rows))})).toHaveLength(3);
  });

  it('a row may be a prompt, which is not trained on, and its completion', async () => {
    const path = await put(temp, 'a.jsonl', '{"prompt": "2 + 2 =", "completion": " 4"}\n{"text": "x"}\n');
    expect(await documentsOf({path})).toEqual(['[2 + 2 =] 4', 'x']);
  });

  it('a column may be named', async () => {
    const path = await put(temp, 'a.jsonl', '{"text": "one", "story": "ONE"}\n{"story": "TWO"}\n');
    expect(await documentsOf({path, column: 'story'})).toEqual(['ONE', 'TWO']);
  });

  it.each<[string, string | Uint8Array | null, RegExp]>([
    ['missing.txt', null, /missing\.txt cannot be read: ENOENT|no such file/],
    ['empty.txt', '', /empty\.txt holds no text/],
    ['empty.jsonl', '', /empty\.jsonl holds no text/],
    ['blank.jsonl', '\n\n', /blank\.jsonl holds no text/],
    ['blank.txt', ' \n', /blank\.txt holds no text/],
    ['none.jsonl', '{"text": ""}\n', /none\.jsonl holds no text/],
    ['bytes.txt', bytes('a\nb\n', [255, 254]), /bytes\.txt, line 3: .* UTF-8/],
    ['late.txt', bytes('één\n'.repeat(50_000), [195, 40], '\nx'), /late\.txt, line 50001: .* UTF-8/],
    ['cut.txt', bytes('one\ntwo\n', [226, 130]), /cut\.txt, line 3: .* UTF-8/],
    ['utf16.txt', Buffer.from('\ufeffhello\n', 'utf16le'), /utf16\.txt, line 1: .*binary file, or UTF-16/],
    ['program.txt', bytes('ELF', [1, 0, 0]), /program\.txt, line 1: .*binary file/],
    ['bytes.jsonl', bytes('{"text": "a"}\n{"text": "', [200], '"}'), /bytes\.jsonl, line 2: .* UTF-8/],
    ['broken.jsonl', '{"text": "a"}\n{"text": ', /broken\.jsonl, line 2 is no valid JSON/],
    ['array.jsonl', '[\n  {"text": "a"}\n]', /array\.jsonl, line 1 is no valid JSON: .*one whole row a line/],
    [
      'column.jsonl',
      '{"text": "a"}\n{"content": "b", "id": 1}',
      /column\.jsonl, line 2: no column text, nor prompt and completion; the columns are "content", "id"; name one as FILE:COLUMN/,
    ],
    ['half.jsonl', '{"prompt": "a"}', /line 1: no column text.*"prompt"/],
    ['list.jsonl', '[1]', /list\.jsonl, line 1: expected a row/],
    [
      'number.jsonl',
      '{"text": 1}',
      /number\.jsonl, line 1 at text: expected a string, not a value of type number/,
    ],
    ['null.jsonl', '{"prompt": "a", "completion": null}', /line 1 at completion: .* not null/],
    [
      'cut.jsonl.gz',
      gzipSync('{"text": "abc"}\n'.repeat(100)).subarray(0, 40),
      /cut\.jsonl\.gz is no whole gzip/,
    ],
    ['plain.txt.gz', 'not packed', /plain\.txt\.gz is no whole gzip file/],
  ])('%s is explained', async (name, content, message) => {
    if (content !== null) await put(temp, name, content);
    const reading = documentsOf({path: temp.path(name)});
    await expect(reading).rejects.toThrow(message);
    await expect(reading).rejects.toBeInstanceOf(ZttError);
  });

  it('lists the columns where the one named is missing', async () => {
    const path = await put(temp, 'a.jsonl', '{"a": "x", "b": 2}\n');
    await expect(documentsOf({path, column: 'c'})).rejects.toThrow(
      /line 1: no column "c"; the columns are "a", "b"\./,
    );
  });

  it('a row longer than memory is explained', async () => {
    const path = await put(temp, 'long.jsonl', `{"text": "a"}\n{"text": "${'a'.repeat(65 << 20)}"}\n`);
    await expect(documentsOf({path})).rejects.toThrow(/long\.jsonl, line 2: the row is longer than 64 MiB/);
    await expect(documentsOf({path})).rejects.toThrow(FormatError);
  });

  it('a folder is no data file', async () => {
    await expect(documentsOf({path: temp.path('.')})).rejects.toThrow(/is no file/);
  });

  it('a broken .jsonl file is read or refused for a reason, whatever bytes are changed', async () => {
    const rows = Array.from({length: 30}, (_, i) => JSON.stringify({text: `é ${i} 😀`, n: [i, {a: null}]}));
    const bytes = Buffer.from(rows.join('\n'));
    const random = xoroshiro128plus(9);
    for (let i = 0; i < 100; i++) {
      const changed = Buffer.from(bytes);
      for (let n = 0; n <= i % 3; n++) {
        changed[uniformInt(random, 0, bytes.length - 1)] = uniformInt(random, 0, 255);
      }
      const path = await put(temp, 'a.jsonl', i % 5 === 0 ? changed.subarray(0, i * 13) : changed);
      const error = await documentsOf({path}).then(
        () => null,
        (error: unknown) => error,
      );
      if (error !== null) {
        expect(error).toBeInstanceOf(ZttError);
        expect((error as Error).message).toMatch(/a\.jsonl(, line \d+| holds no text)/);
      }
    }
  });
});
