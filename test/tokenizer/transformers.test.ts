import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {makeTempFolder, type TempFolder} from '../helpers/temp.js';
import {expected, writeCase} from './cases.js';

let temp: TempFolder;
beforeAll(async () => void (temp = await makeTempFolder()));
afterAll(() => temp.remove());

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
