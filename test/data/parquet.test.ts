import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {describe, expect, it} from 'vitest';
import {ZttError} from '../../src/errors.js';
import {FIXTURES} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {documentsOf, put} from './text.js';

const fixture = (name: string) => join(FIXTURES, 'data', `${name}.parquet`);

/** The column `text` that test/data/make_parquet.py writes. */
const TEXTS = Array.from({length: 200}, (_, i) => `Row ${i}: é 😀 ${'word '.repeat((i * 7) % 23)}`);

const temp = freshTempFolder();

describe('a parquet file', () => {
  it.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'v2', 'delta', 'large-string'])(
    'gives the rows that pyarrow wrote: %s',
    async (name) => {
      expect(await documentsOf({path: fixture(name)})).toEqual(TEXTS);
    },
  );

  it('gives a column that is named, one of repeated values too', async () => {
    const labels = await documentsOf({path: fixture('zstd'), column: 'label'});
    expect(labels).toEqual(TEXTS.map((_, i) => (i % 3 ? 'yes' : 'no')));
  });

  it('gives prompts and completions', async () => {
    expect(await documentsOf({path: fixture('prompts')})).toEqual(['[2 + 2 =] 4', '[3 + 3 =] 6']);
  });

  it('counts what is read', async () => {
    let bytes = 0;
    await documentsOf({path: fixture('none'), onRead: (n) => (bytes += n)});
    expect(bytes).toBeGreaterThan(TEXTS.join('').length);
  });

  it.each<[string, string | undefined, RegExp]>([
    ['numbers', undefined, /numbers\.parquet: no column text, nor .*; the columns are "id", "score"/],
    ['zstd', 'story', /zstd\.parquet: no column "story"; the columns are "id", "text", "label", "tags"\./],
    ['zstd', 'id', /zstd\.parquet: column "id" holds values of type INT64, no text/],
    ['zstd', 'tags', /zstd\.parquet: column "tags" holds nested values, no text/],
    ['null', undefined, /null\.parquet, row 2 at text: expected a string, not null/],
    ['empty', undefined, /empty\.parquet holds no text/],
    ['invalid-utf8', undefined, /invalid-utf8\.parquet, row 2: this is no valid UTF-8/],
  ])('that cannot be used is explained: %s %s', async (name, column, message) => {
    await expect(documentsOf({path: fixture(name), column})).rejects.toThrow(message);
  });

  it('that is none, or truncated, is explained', async () => {
    const bytes = await readFile(fixture('zstd'));
    for (const content of ['', 'PAR1', 'just text, long enough', bytes.subarray(0, 3000)]) {
      const path = await put(temp, 'a.parquet', content);
      await expect(documentsOf({path})).rejects.toThrow(/a\.parquet is no parquet file .* truncated/);
    }
    const beheaded = await put(temp, 'b.parquet', bytes.subarray(2000));
    await expect(documentsOf({path: beheaded})).rejects.toThrow(ZttError);
    const encrypted = await put(
      temp,
      'c.parquet',
      Buffer.concat([bytes.subarray(0, -4), Buffer.from('PARE')]),
    );
    await expect(documentsOf({path: encrypted})).rejects.toThrow(/its footer is encrypted/);
  });
});

describe('a hostile parquet file', () => {
  /** Reads it all, or is refused for a reason; never anything else, and never for long. */
  async function survives(content: Uint8Array, column?: string): Promise<void> {
    const path = await put(temp, 'hostile.parquet', content);
    const begun = performance.now();
    const error = await documentsOf({path, column}).then(
      () => undefined,
      (error: unknown) => error,
    );
    if (error !== undefined) expect(error).toBeInstanceOf(ZttError);
    expect(performance.now() - begun).toBeLessThan(2000);
  }

  it('whose footer says it is larger than any is refused', async () => {
    const bytes = await readFile(fixture('zstd'));
    for (const length of [0xffffffff, 0x7fffffff, bytes.length, bytes.length - 7, 65 << 20]) {
      const changed = Buffer.from(bytes);
      changed.writeUInt32LE(length, bytes.length - 8);
      const path = await put(temp, 'a.parquet', changed);
      await expect(documentsOf({path})).rejects.toBeInstanceOf(ZttError);
    }
  });

  it.each(['none', 'snappy', 'gzip', 'brotli', 'zstd', 'lz4', 'v2', 'delta', 'prompts'])(
    'is read or refused within two seconds, whatever bytes are changed: %s',
    async (name) => {
      const bytes = await readFile(fixture(name));
      const random = xoroshiro128plus(name.length * 1000 + bytes.length);
      const footer = bytes.readUInt32LE(bytes.length - 8) + 8;
      for (let i = 0; i < 60; i++) {
        const changed = Buffer.from(bytes);
        // Half of them in the footer, where all sizes are; the rest anywhere, page headers included.
        const [from, to] =
          i % 2 === 0 ? [bytes.length - footer, bytes.length - 9] : [4, bytes.length - footer];
        for (let n = 0; n <= i % 4; n++) {
          const values = [0, 0x7f, 0x80, 0xff, uniformInt(random, 0, 255)];
          changed[uniformInt(random, from, to - 1)] = values[uniformInt(random, 0, values.length - 1)]!;
        }
        await survives(changed);
      }
    },
  );

  it('with huge sizes in its page headers is refused', async () => {
    const bytes = await readFile(fixture('snappy'));
    // A run of 0xff is the largest of numbers in the footer's and the headers' encoding.
    for (let at = 4; at < 60; at++) {
      const changed = Buffer.from(bytes);
      changed.fill(0xff, at, at + 4);
      changed[at + 4] = 0x0f;
      await survives(changed);
    }
  });
});
