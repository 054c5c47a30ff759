import {relative} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {datasetFiles} from '../../src/data/dataset-files.js';
import {findSource, type DatasetRepo} from '../../src/data/sources.js';
import {FileError, FormatError, UsageError} from '../../src/errors.js';
import {freshTempFolder} from '../helpers/temp.js';
import {put} from './text.js';

const temp = freshTempFolder();

/** A source's files, relative to the folder, with their columns. */
async function filesOf(spec: string): Promise<string[]> {
  const {files} = await findSource(temp.path(spec));
  return files.map(({path, column}) => relative(temp.path('.'), path) + (column ? ` at ${column}` : ''));
}

describe('a source', () => {
  beforeEach(async () => {
    for (const name of ['a.txt', 'b.jsonl', 'c.parquet', 'b.jsonl:odd', 'd=2', 'e:f/g.jsonl']) {
      await put(temp, name, 'x');
    }
  });

  it('is a file, perhaps at a column', async () => {
    expect(await filesOf('a.txt')).toEqual(['a.txt']);
    expect(await filesOf('b.jsonl:story')).toEqual(['b.jsonl at story']);
    expect(await filesOf('b.jsonl:a:b')).toEqual(['b.jsonl at a:b']);
    expect(await filesOf('c.parquet:story')).toEqual(['c.parquet at story']);
    expect(await filesOf('e:f/g.jsonl:text')).toEqual(['e:f/g.jsonl at text']);
  });

  it('is what exists under the whole name, whatever the name', async () => {
    expect(await filesOf('b.jsonl:odd')).toEqual(['b.jsonl:odd']);
    expect(await findSource(temp.path('d=2'))).toMatchObject({name: temp.path('d=2')});
    expect((await findSource(temp.path('d=2=3'))).weight).toBe(3);
  });

  it.each([
    ['a.txt=2', 2],
    ['b.jsonl:story=0.25', 0.25],
    ['c.parquet=1e-3', 0.001],
    ['a.txt=.5', 0.5],
    ['a.txt', undefined],
  ])('may have a weight: %s', async (spec, weight) => {
    expect((await findSource(temp.path(spec))).weight).toBe(weight);
  });

  it.each([
    ['synthetic:brackets', 'synthetic:brackets', undefined],
    ['synthetic:p-hop?n=16&p=4', 'synthetic:p-hop?n=16&p=4', undefined],
    ['synthetic:p-hop?p=4', 'synthetic:p-hop?p=4', undefined],
    ['synthetic:p-hop?n=16&p=4=0.5', 'synthetic:p-hop?n=16&p=4', 0.5],
    ['synthetic:p-hop?p=4=2', 'synthetic:p-hop?p=4', 2],
    ['synthetic:brackets=3', 'synthetic:brackets', 3],
  ])('may be a synthetic task: %s', async (spec, name, weight) => {
    const found = await findSource(spec);
    expect(found).toMatchObject({name, synthetic: {spec: name, split: 'train'}, files: []});
    expect(found.weight).toBe(weight);
  });

  it.each<[string, new (message: string) => Error, RegExp]>([
    ['synthetic:p-hop?p=x', UsageError, /p \(hops\) is "x"/],
    ['synthetic:p-hop=0', UsageError, /the weight must be a number above 0/],
  ])('that cannot be synthetic is told: %s', async (spec, kind, message) => {
    await expect(findSource(spec)).rejects.toThrow(message);
    await expect(findSource(spec)).rejects.toBeInstanceOf(kind);
  });

  it.each<[string, new (message: string) => Error, RegExp]>([
    ['missing.txt', FileError, /missing\.txt cannot be read: no such file/],
    ['missing.jsonl:text=2', FileError, /missing\.jsonl:text cannot be read: no such file/],
    ['a.txt:story', UsageError, /a\.txt:story: only \.jsonl and \.parquet files have columns/],
    ['b.jsonl:', UsageError, /a column must follow the colon/],
    ['a.txt=0', UsageError, /the weight must be a number above 0/],
    ['a.txt=x', FileError, /no such file/],
  ])('that cannot be is told: %s', async (spec, kind, message) => {
    await expect(findSource(temp.path(spec))).rejects.toThrow(message);
    await expect(findSource(temp.path(spec))).rejects.toBeInstanceOf(kind);
  });
});

describe('a dataset', () => {
  const opened: string[] = [];
  const repo: DatasetRepo = {
    names: ['README.md', 'big/train-0.jsonl', 'big/test-0.jsonl', 'small/train-0.jsonl'],
    fetch: (names) => Promise.all(names.map((name) => put(temp, `cache/${name}`, 'x'))),
  };
  const open = (name: string) => {
    opened.push(name);
    return Promise.resolve(repo);
  };
  const find = async (spec: string) =>
    (await findSource(spec, open)).files.map(({path}) => relative(temp.path('cache'), path));

  it('of the Hub is fetched, a config and a split of it', async () => {
    expect(await find('user/name:big')).toEqual(['big/train-0.jsonl']);
    expect(await find('user/name@v1.0:big:test=2')).toEqual(['big/test-0.jsonl']);
    expect(opened).toEqual(['user/name', 'user/name@v1.0']);
    await expect(find('user/name')).rejects.toThrow(
      /user\/name has several configs; name one as user\/name:CONFIG: big, small/,
    );
    await expect(find('user/name:big:test:x')).rejects.toThrow(/no such file/);
    await expect(findSource('user/name')).rejects.toThrow(/user\/name does not exist/);
  });

  it('may be a folder here', async () => {
    await put(temp, 'set/data/train-00000-of-00002.parquet', 'x');
    await put(temp, 'set/data/train-00001-of-00002.parquet', 'x');
    await put(temp, 'set/data/test-00000-of-00001.parquet', 'x');
    await put(temp, 'set/dataset_infos.json', '{}');
    expect(await filesOf('set')).toEqual([
      'set/data/train-00000-of-00002.parquet',
      'set/data/train-00001-of-00002.parquet',
    ]);
    expect(await filesOf('set:test')).toEqual(['set/data/test-00000-of-00001.parquet']);
    await expect(filesOf('set:test:a:b')).rejects.toThrow(UsageError);
    await expect(filesOf('set:validation')).rejects.toThrow(/has no split validation; it has test, train/);
  });
});

describe('the files of a dataset', () => {
  const files = (names: string[], words: string[] = [], readme: string | null = null) =>
    datasetFiles('user/name', names, readme, words);

  it.each<[string, string[], string[], string[]]>([
    ['one file', ['data.jsonl'], [], ['data.jsonl']],
    ['splits at the top', ['train.jsonl', 'test.jsonl'], ['test'], ['test.jsonl']],
    ['a word of the split', ['my_train_set.txt', 'my_dev_set.txt'], ['validation'], ['my_dev_set.txt']],
    ['folders by split', ['train/a.txt', 'train/b.txt', 'test/a.txt'], [], ['train/a.txt', 'train/b.txt']],
    [
      'as the Hub converts',
      ['c/train/0000.parquet', 'c/test/0000.parquet'],
      ['c', 'test'],
      ['c/test/0000.parquet'],
    ],
    ['one config', ['en/train-1.parquet', 'en/test-1.parquet'], [], ['en/train-1.parquet']],
    [
      'a config and a split',
      ['en/train-1.parquet', 'de/test-1.parquet'],
      ['de', 'test'],
      ['de/test-1.parquet'],
    ],
    [
      'shards of odd splits',
      ['data/train.clean-00000-of-00001.parquet'],
      ['train.clean'],
      ['data/train.clean-00000-of-00001.parquet'],
    ],
    ['parquet before rows', ['a.parquet', 'a.jsonl', 'a.txt'], [], ['a.parquet']],
    ['rows before text', ['b.jsonl.gz', 'requirements.txt', 'notes.txt'], [], ['b.jsonl.gz']],
    ['hidden ones left out', ['.cache/train.jsonl', 'train.jsonl'], [], ['train.jsonl']],
    ['a split alone, by an empty config', ['train.txt', 'test.txt'], ['', 'test'], ['test.txt']],
  ])('by their names: %s', (_, names, words, expected) => {
    expect(files(names, words)).toEqual(expected);
  });

  const README = `---
license: mit
configs:
- config_name: main
  default: true
  data_files:
  - split: train
    path: "main/tr*.jsonl"
  - split: test
    path: ["main/te?t.jsonl", "more/**"]
- config_name: other
  data_files: other.txt
- config_name: folder
  data_dir: deep
---
# A dataset
`;
  const names = [
    'main/tr1.jsonl',
    'main/x/tr2.jsonl',
    'main/test.jsonl',
    'more/a/b.jsonl',
    'other.txt',
    'deep/train.txt',
  ];

  it.each([
    [[], ['main/tr1.jsonl']],
    [['test'], ['main/test.jsonl', 'more/a/b.jsonl']],
    [['other'], ['other.txt']],
    [['folder'], ['deep/train.txt']],
  ])('by the README: %j', (words, expected) => {
    expect(files(names, words, README)).toEqual(expected);
  });

  it('by their names where the README says nothing that can be used', () => {
    for (const readme of [
      '# no front matter',
      '---\n- [\n---\n',
      '---\nconfigs: 3\n---\n',
      '---\na: &a [x]\nb: *a\n---\n',
    ]) {
      expect(files(['train.jsonl'], [], readme)).toEqual(['train.jsonl']);
    }
  });

  it('that are not there are told, with what is', () => {
    expect(() => files(['script.py'])).toThrow(/user\/name has no \.parquet, .*refs\/convert\/parquet/);
    expect(() => files(['a/x.txt', 'b/x.txt'], ['c', 'train'])).toThrow(/has no config c; it has a, b/);
    expect(() => files(names, ['main', 'dev'], README)).toThrow(/has no split dev; it has test, train/);
    expect(() => files(['test.txt'])).toThrow(FormatError);
  });

  it('by a pattern that no engine should run are none', () => {
    const evil = README.replace('other.txt', `"${'*a'.repeat(40)}"`);
    const begun = performance.now();
    expect(() => files(['a'.repeat(4000) + '.txt'], ['other'], evil)).toThrow(/no split train/);
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});
