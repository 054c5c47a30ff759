import {execFileSync} from 'node:child_process';
import {cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {describe, expect, it} from 'vitest';
import {writeModelInfo} from '../../../src/checkpoint/index.js';
import {
  withoutTokenizerClass,
  withTokenizerClass,
} from '../../../src/checkpoint/model-folder/tokenizer-class.js';
import {convert, FormatError, revert, Tokenizer} from '../../../src/index.js';
import {ORACLE} from '../../helpers/oracle.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {expected, writeCase} from '../../tokenizer/cases.js';

const temp = sharedTempFolder();

/** A source model's folder: weights of an oracle case, and files of its own. */
function source(name: string, model: 'gpt2' | 'opt', files: Record<string, string> = {}): string {
  const folder = temp.path(name);
  mkdirSync(folder, {recursive: true});
  for (const file of ['config.json', 'model.safetensors', 'generation_config.json']) {
    cpSync(join(ORACLE, model, file), join(folder, file));
  }
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content);
  return folder;
}

/** The contents of a folder's files, without the weights, config.json and the code that comes with a ZTT model. */
const carried = (folder: string): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder)
      .filter((name) => !/^(config|ztt_certificate)\.json$|safetensors|\.py$/.test(name))
      .sort()
      .map((name) => [name, readFileSync(join(folder, name), 'utf8')]),
  );

async function thereAndBack(folder: string): Promise<{converted: string; back: string}> {
  const [converted, back] = [`${folder}-ztt`, `${folder}-back`];
  await convert({source: folder, output: converted, layout: 'vanilla'});
  await revert({model: converted, output: back});
  return {converted, back};
}

const folders = expected.cases.map((_, i) => `case-${i}`);
const configOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, unknown>;

describe('a converted folder', () => {
  it.each(expected.cases.map((one, i) => ({...one, folder: folders[i]!})))(
    'keeps its tokenizer, and gives it back byte for byte: $name',
    async ({folder: name, ...one}) => {
      const [folder, converted, back] = ['', '-ztt', '-back'].map((end) => temp.path(name + end)) as [
        string,
        string,
        string,
      ];
      writeCase(one, folder);
      for (const output of [converted, back]) mkdirSync(output);
      const config = configOf(folder);
      await writeModelInfo(converted, {model_type: 'ztt', base_config: config}, folder);
      await writeModelInfo(back, config, converted);
      expect(carried(back)).toEqual(carried(folder));
      expect(configOf(back)).toEqual(config);
      const {'tokenizer_config.json': added, ...others} = carried(converted);
      const {'tokenizer_config.json': own = '{}', ...same} = carried(folder);
      expect(others).toEqual(same);
      expect(JSON.parse(added!)).toEqual({tokenizer_class: 'GPT2Tokenizer', ...(JSON.parse(own) as object)});
      const tokenizer = await Tokenizer.load(converted);
      const text = expected.texts.findIndex((value) => value.startsWith('<|endoftext|>One'));
      expect(tokenizer.encode(expected.texts[text]!, false)).toEqual(one.bare[text]);
    },
  );

  it('keeps the added class through fine-tuning: a ZTT model made of a ZTT model', async () => {
    const {converted} = await thereAndBack(source('twice', 'gpt2', {'vocab.json': '{"a":0}'}));
    const [again, back] = [temp.path('twice-again'), temp.path('twice-plain')];
    for (const output of [again, back]) mkdirSync(output);
    const {base_config: base} = configOf(converted);
    await writeModelInfo(again, {model_type: 'ztt', base_config: base}, converted);
    expect(carried(again)).toEqual(carried(converted));
    expect(configOf(again).tokenizer_class).toBe('GPT2Tokenizer');
    await writeModelInfo(back, base as Record<string, unknown>, again);
    expect(Object.keys(carried(back))).toEqual(['generation_config.json', 'vocab.json']);
  });

  const python = process.env.ZTT_TEST_PYTHON;
  it.skipIf(!python)(
    "loads in Transformers' AutoTokenizer, with our ids (where ZTT_TEST_PYTHON names a Python with Transformers)",
    () => {
      const script = fileURLToPath(new URL('../../tokenizer/auto-tokenizer.py', import.meta.url));
      const asked = {folders: folders.map((name) => `${temp.path(name)}-ztt`), texts: expected.texts};
      const answer = execFileSync(python!, [script], {input: JSON.stringify(asked), maxBuffer: 1 << 26});
      const found = JSON.parse(answer.toString()) as number[][][];
      for (const [i, {name, bare, before, after}] of expected.cases.entries()) {
        expect(found[i], name).toEqual(bare.map((ids) => [...before, ...ids, ...after]));
      }
    },
    120_000,
  );

  it('takes a class from the config, and a tokenizer.json that does more than GPT-2 as it is', async () => {
    const wordPiece = source('word-piece', 'gpt2', {'vocab.txt': 'a\n'});
    const path = join(wordPiece, 'config.json');
    const config = {...(JSON.parse(readFileSync(path, 'utf8')) as object), tokenizer_class: 'BertTokenizer'};
    writeFileSync(path, JSON.stringify(config));
    const json = {normalizer: {type: 'NFC'}, pre_tokenizer: {type: 'ByteLevel'}};
    const normalised = source('normalised', 'gpt2', {'tokenizer.json': JSON.stringify(json)});
    for (const [folder, name] of [
      [wordPiece, 'BertTokenizer'],
      [normalised, 'PreTrainedTokenizerFast'],
    ] as const) {
      const {converted, back} = await thereAndBack(folder);
      expect(carried(converted)['tokenizer_config.json']).toBe(`{\n  "tokenizer_class": "${name}"\n}\n`);
      expect(carried(back)).toEqual(carried(folder));
    }
  });

  it('gets no tokenizer_config.json without a tokenizer', async () => {
    const {converted} = await thereAndBack(source('bare', 'gpt2'));
    expect(Object.keys(carried(converted))).toEqual(['generation_config.json']);
  });

  it('is not begun where tokenizer_config.json is broken', async () => {
    const folder = source('broken', 'gpt2', {'vocab.json': '{}', 'tokenizer_config.json': '{"tokenizer'});
    const output = temp.path('broken-ztt');
    await expect(convert({source: folder, output})).rejects.toThrow(FormatError);
    expect(existsSync(output)).toBe(false);
    rmSync(join(folder, 'tokenizer_config.json'));
    writeFileSync(join(folder, 'tokenizer_config.json'), '{"tokenizer_class": 7}');
    await expect(convert({source: folder, output})).rejects.toThrow(
      /tokenizer_config\.json at tokenizer_class/,
    );
  });
});

describe('the class put into tokenizer_config.json', () => {
  it.each([
    null,
    '{}',
    '{}\n',
    '{\n}\n',
    '{ }',
    '{"model_max_length": 1024}',
    ' {"a":1,"b":{"c":2}}',
    '{\n  "add_prefix_space": false,\n  "x": []\n}\n',
    '{\r\n\t"a": "\\u00e9"\r\n}',
    '{"tokenizer_class": null}',
  ])('can be taken out again: %j', (text) => {
    const added = withTokenizerClass(text, 'GPT2Tokenizer');
    const own = JSON.parse(text ?? '{}') as object;
    expect(JSON.parse(added)).toEqual({...own, tokenizer_class: 'GPT2Tokenizer'});
    expect(withoutTokenizerClass(added, 'GPT2Tokenizer')).toBe(text);
  });

  it('stays where the file was edited since', () => {
    for (const edited of [
      '{"tokenizer_class": "GPT2Tokenizer", "model_max_length": 512}',
      '{"tokenizer_class":"GPT2Tokenizer"}',
      '{"a": 1,   "tokenizer_class": "GPT2Tokenizer"}',
      '',
    ]) {
      expect(withoutTokenizerClass(edited, 'GPT2Tokenizer')).toBe(edited);
    }
  });
});
