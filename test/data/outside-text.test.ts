import {execFileSync} from 'node:child_process';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, FormatError, UnsupportedError} from '../../src/index.js';
import {datasetFiles} from '../../src/data/dataset-files.js';
import {GlobMatcher} from '../../src/data/glob.js';
import {datasetInFolder, readDocuments, readRows} from '../../src/data/index.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();

async function put(name: string, content: string | Uint8Array): Promise<string> {
  const path = temp.path(name);
  await writeFile(path, content);
  return path;
}

async function textsOf(path: string): Promise<string[]> {
  const texts: string[] = [];
  for await (const {text} of readDocuments({path})) texts.push(text);
  return texts;
}

async function rowsOf(path: string): Promise<unknown[]> {
  const rows: unknown[] = [];
  for await (const {values} of readRows({path})) rows.push(values);
  return rows;
}

describe('NaN and Infinity, as Python’s json writes them', () => {
  it('are null, and stay within strings', async () => {
    const path = await put('nan.jsonl', '{"text":"NaN \\"-Infinity\\\\","a":NaN,"b":[-Infinity,Infinity]}\n');
    expect(await rowsOf(path)).toEqual([{text: 'NaN "-Infinity\\', a: null, b: [null, null]}]);
    expect(await textsOf(path)).toEqual(['NaN "-Infinity\\']);
  });

  it('are no text', async () => {
    await expect(textsOf(await put('nantext.jsonl', '{"text":NaN}\n'))).rejects.toThrow(
      /line 1 at text: expected a string, not null/,
    );
  });

  it.each(['{"text":NaNs}', '{"text":"a" NaN}'])('do not mend %s', async (line) => {
    await expect(textsOf(await put('bad.jsonl', line))).rejects.toThrow(/line 1 is no valid JSON/);
  });
});

describe('a .json file that is one array', () => {
  const rows = [{text: 'one, "two" ]['}, {text: '三\\', nested: [{a: [1, 2]}, {}]}, {text: '🙂'}];

  it.each([undefined, 2])('is read row by row, indented by %j', async (indent) => {
    const path = await put(`array${indent}.json`, `\uFEFF \n${JSON.stringify(rows, null, indent)}\n`);
    expect(await rowsOf(path)).toEqual(rows);
    expect(await textsOf(path)).toEqual(rows.map(({text}) => text));
  });

  it('has no rows where it is empty', async () => {
    expect(await rowsOf(await put('empty.json', ' [ ] '))).toEqual([]);
  });

  it.each([
    ['[{"text":"a"}', /array of rows is not whole/],
    ['[{"text":"a"}]{"text":"b"}', /array of rows is not whole/],
    ['[{"text":"a"},]', /row 2 is no valid JSON/],
    ['["a"]', /row 1: expected a row/],
    ['[[1]]', /row 1: expected a row .* not an array/],
    ['[}', /is not whole/],
  ])('is refused as %s', async (text, message) => {
    const read = rowsOf(await put('broken.json', text));
    await expect(read).rejects.toThrow(FormatError);
    await expect(read).rejects.toThrow(message);
  });

  it('is told where a .jsonl holds one', async () => {
    await expect(rowsOf(await put('array.jsonl', JSON.stringify(rows)))).rejects.toThrow(
      /line 1: .*an array of rows is read from a \.json file/,
    );
  });
});

it.each(['t.csv', 'T.TSV', 't.csv.gz'])('a table is not taken for plain text: %s', async (name) => {
  const read = textsOf(await put(name, 'text,label\na,1\n'));
  await expect(read).rejects.toThrow(UnsupportedError);
  await expect(read).rejects.toThrow(/\.jsonl or \.parquet/);
});

it('half a surrogate pair is told by what stands before it, wherever the text was cut', async () => {
  const tokenizer = await Tokenizer.load(join(FIXTURES, 'gpt2-books'));
  expect(() => tokenizer.encode('broken \ud83d')).toThrow(
    /\\ud83d\), which is no character, after "broken "/,
  );
});

describe('what unpacks to far more than its size', () => {
  it('is refused: one dictionary entry twenty thousand times', async () => {
    await expect(textsOf(join(FIXTURES, 'data', 'dictionary-bomb.parquet'))).rejects.toThrow(
      /unpacks to more than \d+ characters, 1000 times its size/,
    );
  });

  it('is refused: sixteen million nulls in a row group', async () => {
    await expect(rowsOf(join(FIXTURES, 'data', 'null-rows.parquet'))).rejects.toThrow(
      /row group 0 has 16\d+ rows.* smaller row groups/,
    );
  });
});

describe('a dataset’s README.md', () => {
  const front = (yaml: string) => `---\n${yaml}\n---\n`;
  const configs = (path: string) =>
    front(`configs:\n- config_name: default\n  data_files:\n  - split: train\n    path: ${path}`);
  const found = (names: string[], readme: string) => datasetFiles('d', names, readme, []);

  it.each<[string, string[], string[]]>([
    ['data/*.jsonl', ['data/a.jsonl', 'data/b/c.jsonl', 'data/x.txt'], ['data/a.jsonl']],
    ['"**/*.jsonl"', ['a.jsonl', 'x/y/b.jsonl'], ['a.jsonl', 'x/y/b.jsonl']],
    ['a?c.txt', ['abc.txt', 'a/c.txt', 'ac.txt', 'a🙂c.txt'], ['abc.txt', 'a🙂c.txt']],
    ['a.b*', ['a.b', 'axb', 'a.bc'], ['a.b', 'a.bc']],
    ['"*a*b*c*d*e.txt"', ['xaxbxcxdxe.txt', 'abcd.txt'], ['xaxbxcxdxe.txt']],
  ])('has the pattern %s match', (pattern, names, wanted) => {
    expect(found(names, configs(pattern))).toEqual([...wanted].sort());
  });

  it('cannot make matching take for ever', () => {
    const name = `${Array(3).fill('a'.repeat(250)).join('/')}.txt`;
    expect(() => found([name], configs('"**a**a**a**b"'))).toThrow(/has no split train/);
    const hostile = new GlobMatcher('d');
    expect(() => {
      for (;;) hostile.filter([`${'a'.repeat(4000)}b`], '**a'.repeat(300));
    }).toThrow(/take too long to match/);
  });

  it.each([
    ['commas', `configs: [${','.repeat(1_000_000)}]`],
    ['dashes', `configs:\n  ${'- '.repeat(500_000)}a`],
    ['lines', `configs:\n${'- a: b\n'.repeat(400_000)}`],
  ])('cannot make parsing take for ever: %s', (_, yaml) => {
    expect(() => found(['train.jsonl'], front(yaml))).toThrow(/configs of its front matter are too long/);
  });

  it('is read past other keys, however many, and may list a thousand configs', () => {
    const many = Array.from(
      {length: 1000},
      (_, i) => `- config_name: c${i}\n\n  # of ${i}\n  data_files: c${i}/*.jsonl`,
    );
    const readme = front(
      `dataset_info:\n${'- x: 1\n'.repeat(100_000)}configs:\n${many.join('\n')}\nlicense: mit`,
    );
    expect(datasetFiles('d', ['c7/a.jsonl', 'c8/a.jsonl'], readme, ['c7', 'train'])).toEqual(['c7/a.jsonl']);
  });

  it.skipIf(process.platform === 'win32')('that is a named pipe is refused', async () => {
    await mkdir(temp.path('piped'));
    await put('piped/train.jsonl', '{"text":"a"}\n');
    execFileSync('mkfifo', [temp.path('piped', 'README.md')]);
    await expect(datasetInFolder(temp.path('piped'), [])).rejects.toThrow(FileError);
  });
});
