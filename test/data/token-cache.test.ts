import {spawnSync} from 'node:child_process';
import {mkdir, readdir, readFile, stat, truncate, utimes, writeFile} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {besides} from '../../src/files/index.js';
import {cachedTokens, cacheFolder, type TokenOptions} from '../../src/data/token-cache.js';
import {begins, idOf, trained, type TokenFile} from '../../src/data/token-file.js';
import {InterruptedError, Tokenizer} from '../../src/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {loadTokenizer, put} from './text.js';

const SEPARATOR = 0;

const temp = freshTempFolder();
let tokenizer: Tokenizer;
let notes: string[];
beforeAll(async () => {
  tokenizer = await loadTokenizer();
});
beforeEach(() => {
  notes = [];
});

const options = () => ({
  tokenizer,
  separator: SEPARATOR as number | null,
  cache: temp.path('cache'),
  onNote: (line: string) => notes.push(line),
});
const encode = (text: string) => tokenizer.encode(text, false);
const entries = async () =>
  (await readdir(temp.path('cache', 'tokens'))).filter((name) => !name.startsWith('.'));

/** All tokens of a file, which is closed: ids, and the places of the flags. */
async function contentOf(file: TokenFile) {
  const tokens = [...(await file.read(0, file.tokens))];
  await file.close();
  const places = (has: (token: number) => boolean) => tokens.flatMap((token, i) => (has(token) ? [i] : []));
  return {ids: tokens.map(idOf), begins: places(begins), untrained: places((token) => !trained(token))};
}

describe('tokens', () => {
  it('hold every document and its end, and where each begins', async () => {
    const rows = await put(temp, 'a.jsonl', '{"text":"one two"}\n{"text":""}\n{"text":"two"}');
    const text = await put(temp, 'b.txt', 'three');
    const file = await cachedTokens('both', [{path: rows}, {path: text}], options());
    expect(file.documents).toBe(3);
    const [one, two, three] = [encode('one two'), encode('two'), encode('three')];
    const {ids, begins, untrained} = await contentOf(file);
    expect(ids).toEqual([0, ...one, 0, ...two, 0, ...three, 0]);
    expect(begins).toEqual([1, 2 + one.length, 3 + one.length + two.length]);
    expect(untrained).toEqual([]);
    const bare = await contentOf(await cachedTokens('a', [{path: rows}], {...options(), separator: null}));
    expect(bare.ids).toEqual([...one, ...two]);
  });

  it('say where a text has none', async () => {
    const path = await put(temp, 'a.jsonl', '{"text":"fine"}\n{"text":"half \\ud800 a pair"}');
    await expect(cachedTokens('a', [{path}], options())).rejects.toThrow(/a\.jsonl, line 2: .*surrogate/);
  });

  it('of a prompt are not trained on; prompt and completion are encoded apart', async () => {
    const path = await put(temp, 'a.jsonl', '{"prompt":"say th","completion":"ree"}\n{"text":"x"}');
    const {ids, begins, untrained} = await contentOf(await cachedTokens('a', [{path}], options()));
    const [prompt, completion] = [encode('say th'), encode('ree')];
    expect(ids).toEqual([0, ...prompt, ...completion, 0, ...encode('x'), 0]);
    expect(untrained).toEqual(prompt.map((_, i) => 1 + i));
    expect(begins).toEqual([1, 2 + prompt.length + completion.length]);
  });
});

describe('a tokenizer that marks documents itself', () => {
  it('gets no separator besides: OPT begins each with </s>', async () => {
    const opt = await Tokenizer.load(join(FIXTURES, 'opt-tiny'));
    const path = await put(
      temp,
      'a.jsonl',
      '{"text":"one two"}\n{"text":""}\n{"prompt":"a","completion":"b"}',
    );
    const file = await cachedTokens('a', [{path}], {...options(), tokenizer: opt, separator: 2});
    const {ids, begins, untrained} = await contentOf(file);
    const first = opt.encode('one two');
    expect(first[0]).toBe(2);
    expect(ids).toEqual([...first, ...opt.encode('a'), ...opt.encode('b', false)]);
    expect(begins).toEqual([1, first.length + 1]);
    expect(untrained).toEqual([first.length + 1]);
  });
});

it('tokens that the model has no row for are refused, by their text', async () => {
  const path = await put(temp, 'a.txt', 'one zebra');
  const vocabulary = Math.max(...encode('one zebra'));
  const make = (rows: number) => cachedTokens('a.txt', [{path}], {...options(), vocabulary: rows});
  // Anew, and from the cache.
  for (let i = 0; i < 2; i++) {
    await expect(make(vocabulary)).rejects.toThrow(
      new RegExp(
        `^a\\.txt: the token ".+" has the id ${vocabulary}, but .* has ${vocabulary} rows; the tokenizer`,
      ),
    );
  }
  await (await make(vocabulary + 1)).close();
});

describe('the token cache', () => {
  it('is used again for the same content, under whatever name', async () => {
    const first = await cachedTokens('a', [{path: await put(temp, 'a.txt', 'one two')}], options());
    expect(notes).toEqual([]);
    const before = await contentOf(first);
    const again = await cachedTokens('b', [{path: await put(temp, 'b.txt', 'one two')}], options());
    expect(notes).toEqual([expect.stringMatching(/^b: \d+ tokens from the token cache$/)]);
    expect(await contentOf(again)).toEqual(before);
    expect(await entries()).toHaveLength(1);
  });

  it('keeps apart what differs in content, kind of file, column or separator', async () => {
    const rows = '{"text":"one","other":"two"}';
    const path = await put(temp, 'a.jsonl', rows);
    const all = [
      await cachedTokens('a', [{path}], options()),
      await cachedTokens('a', [{path}], {...options(), separator: null}),
      await cachedTokens('a', [{path, column: 'other'}], options()),
      await cachedTokens('a', [{path: await put(temp, 'a.txt', rows)}], options()),
      await cachedTokens('a', [{path}, {path}], options()),
      await cachedTokens('a', [{path: await put(temp, 'b.jsonl', `${rows}\n`)}], options()),
    ];
    expect(await entries()).toHaveLength(all.length);
    expect(notes).toEqual([]);
    for (const file of all) await file.close();
  });

  it.each([
    ['truncated', async (folder: string) => truncate(join(folder, 'tokens.bin'), 4)],
    ['changed', async (folder: string) => writeFile(join(folder, 'tokens.bin'), Buffer.alloc(16, 1))],
    ['without its index', async (folder: string) => writeFile(join(folder, 'index.json'), '{}')],
    ['with an index that is no JSON', async (folder: string) => writeFile(join(folder, 'index.json'), '{')],
  ])('is made anew where it is %s', async (_, spoil) => {
    const path = await put(temp, 'a.txt', 'one two three');
    const before = await contentOf(await cachedTokens('a', [{path}], options()));
    await spoil(temp.path('cache', 'tokens', (await entries())[0]!));
    const after = await contentOf(await cachedTokens('a', [{path}], options()));
    expect(after).toEqual(before);
    expect(notes).toEqual([expect.stringMatching(/the token cache is broken, and made anew/)]);
  });

  it('keeps nothing of what cannot be read, or was interrupted', async () => {
    const path = await put(temp, 'a.jsonl', `${'{"text":"fine"}\n'.repeat(1000)}{"text":1}`);
    await expect(cachedTokens('a', [{path}], options())).rejects.toThrow(/a\.jsonl, line 1001/);
    const abort = new AbortController();
    const stopped = cachedTokens('b', [{path: await put(temp, 'b.txt', 'x '.repeat(1e6))}], {
      ...options(),
      signal: abort.signal,
      onRead: (phase) => phase === 'tokenising' && abort.abort(),
    });
    await expect(stopped).rejects.toThrow(InterruptedError);
    expect((await readdir(temp.path('.'))).sort()).toEqual(['a.jsonl', 'b.txt']);
  });

  it('says how much is read', async () => {
    const content = 'word '.repeat(100_000);
    const path = await put(temp, 'a.txt', content);
    const last: Record<string, number> = {};
    const onRead = (phase: string, done: number, total: number) => {
      expect(total).toBe(content.length);
      expect(done).toBeGreaterThanOrEqual(last[phase] ?? 0);
      last[phase] = done;
    };
    await (await cachedTokens('a', [{path}], {...options(), onRead})).close();
    expect(last).toEqual({checking: content.length, tokenising: content.length});
  });

  it('lies where the environment says', () => {
    expect(cacheFolder({ZTT_CACHE: '/a', XDG_CACHE_HOME: '/b'})).toBe('/a');
    expect(cacheFolder({XDG_CACHE_HOME: '/b'})).toBe(join('/b', 'ztt'));
    expect(cacheFolder({})).toMatch(/\.cache.ztt$/);
  });

  it('tells a full disk', async () => {
    await writeFile(temp.path('cache'), 'a file where the folder should be');
    const path = await put(temp, 'a.txt', 'one');
    await expect(cachedTokens('a', [{path}], options())).rejects.toThrow(/cannot be/);
    expect(await readFile(temp.path('cache'), 'utf8')).toContain('a file');
  });
});

describe('the bounds of the token cache', () => {
  const tokensOf = async (text: string, more: Partial<TokenOptions> = {}) =>
    cachedTokens('a', [{path: await put(temp, 'a.txt', text)}], {...options(), ...more});
  const names = async () => new Set(await entries());
  /** Says when an entry was last used, in days before now. */
  const age = async (entry: string, days: number) => {
    const then = new Date(Date.now() - days * 24 * 3600_000);
    await utimes(temp.path('cache', 'tokens', entry), then, then);
  };

  it('let go of what was not used for thirty days', async () => {
    await (await tokensOf('one')).close();
    const [old] = await entries();
    await (await tokensOf('two')).close();
    const [recent] = [...(await names())].filter((name) => name !== old);
    await age(old!, 31);
    await age(recent!, 29);
    await (await tokensOf('three')).close();
    expect(await entries()).toHaveLength(2);
    expect(await names()).not.toContain(old);
    expect(await names()).toContain(recent);
    expect(notes).toEqual([expect.stringMatching(/^token cache: removed 1 entry long not used, \d+ bytes$/)]);
  });

  it('let go of the least recently used until the rest fits', async () => {
    const made: string[] = [];
    for (const text of ['one', 'two', 'three', 'four']) {
      const before = await names().catch(() => new Set<string>());
      await (await tokensOf(text.repeat(500))).close();
      made.push([...(await names())].find((name) => !before.has(name))!);
    }
    for (const [i, days] of [4, 3, 2, 1].entries()) await age(made[i]!, days);
    // Reading the oldest makes it the newest.
    await (await tokensOf('one'.repeat(500))).close();
    const sizes = await Promise.all(made.map((name) => sizeOf(temp.path('cache', 'tokens', name))));
    await (await tokensOf('x', {cacheBounds: {maxBytes: sizes[0]! + sizes[3]! + 1000}})).close();
    expect([...(await names())].filter((name) => made.includes(name)).sort()).toEqual(
      [made[0], made[3]].sort(),
    );
  });

  it('do not hold for what a process reads', async () => {
    const file = await tokensOf('one');
    const before = await file.read(0, file.tokens);
    const [mine] = await entries();
    await age(mine!, 100);
    await (await tokensOf('two', {cacheBounds: {maxBytes: 0}})).close();
    expect(await names()).toContain(mine);
    expect(await file.read(0, file.tokens)).toEqual(before);
    await file.close();
    await (await tokensOf('three', {cacheBounds: {maxBytes: 0}})).close();
    expect(await names()).not.toContain(mine);
  });

  it('are kept by what a killed process left, of any text; what another is writing stays', async () => {
    await (await tokensOf('one')).close();
    const dead = spawnSync(process.execPath, ['-e', '']).pid;
    const key = 'a'.repeat(64);
    const host = /^\.a\.(\w+)-/.exec(basename(besides('a', 'partial')))![1];
    const lie = (owner: string, kind: string) =>
      temp.path('cache', 'tokens', `.${key}.${owner}-0123abcd.${kind}`);
    const abandoned = [lie(`${host}-${dead}`, 'partial'), lie(`${host}-${dead}`, 'used')];
    const kept = [lie(`${host}-${process.ppid}`, 'partial'), lie(`00000000-${dead}`, 'partial')];
    for (const path of [...abandoned, ...kept]) {
      await mkdir(path);
      await writeFile(join(path, 'tokens.bin'), 'half');
    }
    await (await tokensOf('one')).close();
    const left = (await readdir(temp.path('cache', 'tokens'))).filter((name) => name.startsWith('.'));
    expect(left.sort()).toEqual(kept.map((path) => basename(path)).sort());
  });
});

async function sizeOf(folder: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(folder)) bytes += (await stat(join(folder, name))).size;
  return bytes;
}
