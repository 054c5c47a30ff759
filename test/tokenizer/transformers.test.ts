import {createHash} from 'node:crypto';
import {rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {Tokenizer, tokenizerJson} from '../../src/tokenizer/index.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {expected, writeCase} from './cases.js';

/** Where a long text may be cut differs in these. */
const LONG =
  /^gpt2, tokenizer.json alone|^gpt2 with add_prefix_space|all added tokens|^galactica|^tokens that take/;

const temp = sharedTempFolder();

describe.each(expected.cases)('as Transformers: $name', (one) => {
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    const folder = temp.path(one.name.replaceAll('/', '-'));
    writeCase(one, folder);
    tokenizer = await Tokenizer.load(folder);
  });

  it('encodes', () => {
    for (const [i, text] of expected.texts.entries()) {
      const ids = one.bare[i]!;
      expect(tokenizer.encode(text, false), JSON.stringify(text)).toEqual(ids);
      expect(tokenizer.encode(text), JSON.stringify(text)).toEqual([...one.before, ...ids, ...one.after]);
    }
  });

  it.runIf(LONG.test(one.name))('encodes a text of several pieces', () => {
    const text = expected.texts.join('').repeat(60);
    expect(text.length).toBeGreaterThan(150_000);
    const ids = Int32Array.from(tokenizer.encode(text, false));
    expect(createHash('sha256').update(new Uint8Array(ids.buffer)).digest('hex')).toBe(one.long);
  });

  it.runIf(one.tokenizer_json === null)('is the same from a tokenizer.json of its own making', async () => {
    const folder = temp.path(`json-${one.name.replaceAll('/', '-')}`);
    writeCase(one, folder);
    for (const name of ['vocab.json', 'merges.txt']) await rm(join(folder, name));
    await writeFile(join(folder, 'tokenizer.json'), JSON.stringify(tokenizerJson(tokenizer.spec)));
    expect((await Tokenizer.load(folder)).spec).toEqual(tokenizer.spec);
  });

  it('decodes', () => {
    const lists = expected.to_decode[one.vocabulary]!;
    expect(lists.map((ids) => tokenizer.decode(ids))).toEqual(one.decoded);
    expect(lists.map((ids) => tokenizer.decode(ids, false))).toEqual(one.decoded_without_special);
  });

  it('knows what begins and ends a text', () => {
    expect(tokenizer.vocabulary()).toEqual({size: one.size, bos: one.bos, eos: one.eos, pad: one.pad});
    expect(tokenizer.surroundings).toEqual({before: one.before, after: one.after});
  });
});
