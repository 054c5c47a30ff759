import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
let books: {added_tokens: object[]};
beforeAll(async () => {
  books = JSON.parse(await readFile(join(FIXTURES, 'gpt2-books', 'tokenizer.json'), 'utf8')) as typeof books;
});

async function folderOf(files: Record<string, object>): Promise<string> {
  const folder = temp.path(`case-${Math.random()}`);
  await mkdir(folder);
  for (const [name, content] of Object.entries(files)) {
    await writeFile(join(folder, name), JSON.stringify(content));
  }
  return folder;
}

const token = (content: string, lstrip = false) => ({
  content,
  lstrip,
  rstrip: false,
  normalized: false,
  single_word: false,
  special: true,
});

describe('an added token that two files describe differently', () => {
  // The ids are AutoTokenizer's of Transformers 5.18.
  it.each([
    [false, true, [72, 73, 4096, 474]],
    [true, false, [72, 73, 221, 221, 221, 4096, 474]],
  ])(
    'is matched as added_tokens_decoder says: lstrip %j in tokenizer.json, %j there',
    async (json, decoder, ids) => {
      const folder = await folderOf({
        'tokenizer.json': {
          ...books,
          added_tokens: [...books.added_tokens, {...token('<|u|>', json), id: 4096}],
        },
        'tokenizer_config.json': {
          tokenizer_class: 'PreTrainedTokenizerFast',
          added_tokens_decoder: {0: token('<|endoftext|>'), 4096: token('<|u|>', decoder)},
        },
      });
      const tokenizer = await Tokenizer.load(folder);
      expect(tokenizer.encode('hi   <|u|> there')).toEqual(ids);
      expect(tokenizer.notes).toEqual([]);
    },
  );
});

describe('a class for which Transformers may build another pipeline', () => {
  const notesOf = async (files: Record<string, object>) =>
    (await Tokenizer.load(await folderOf({'tokenizer.json': books, ...files}))).notes;
  const named = (tokenizer_class: string) => ({'tokenizer_config.json': {tokenizer_class}});

  it.each(['RobertaTokenizerFast', 'LlamaTokenizer', 'Qwen2Tokenizer'])('is told: %s', async (name) => {
    const told = [expect.stringMatching(new RegExp(`tokenizer_class "${name}" Transformers 5 may build`))];
    expect(await notesOf(named(name))).toEqual(told);
    expect(await notesOf({'config.json': {tokenizer_class: name}})).toEqual(told);
  });

  it.each(['GPT2Tokenizer', 'GPT2TokenizerFast', 'PreTrainedTokenizerFast', 'TokenizersBackend'])(
    'is not %s',
    async (name) => {
      expect(await notesOf(named(name))).toEqual([]);
      expect(await notesOf({'config.json': {base_config: {tokenizer_class: name}}})).toEqual([]);
    },
  );

  it('is none where no file names one', async () => {
    expect(await notesOf({})).toEqual([]);
  });
});
