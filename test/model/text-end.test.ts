import {writeFile} from 'node:fs/promises';
import {describe, expect, it} from 'vitest';
import {FormatError} from '../../src/index.js';
import type {Architecture} from '../../src/model/index.js';
import {contradictedEnd, generationEnd, separatorOf} from '../../src/model/text-end.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();

const arch = (eosTokenIds: number[], bosTokenId: number | null = null) =>
  ({vocabulary: 100, eosTokenIds, bosTokenId}) as Partial<Architecture> as Architecture;

/** Special are the ids below 5. */
const tokenizer = (eos: number | null, bos: number | null = null) => ({
  vocabulary: () => ({bos, eos}),
  isSpecial: (id: number) => id < 5,
  decode: ([id]: readonly number[]) => `<${id}>`,
});

describe('a generated text', () => {
  const endOf = async (generation: unknown, ids: number[]) => {
    await writeFile(temp.path('generation_config.json'), JSON.stringify(generation));
    return generationEnd(temp.path(), arch(ids));
  };

  it('ends at config.json’s tokens where there is no generation_config.json', async () => {
    expect(await generationEnd(temp.path('none'), arch([7, 9]))).toEqual({ids: [7, 9], notes: []});
  });

  it.each([
    [3, [3]],
    [
      [3, 8],
      [3, 8],
    ],
    [0, [0]],
  ])('ends at generation_config.json’s eos_token_id %j', async (eos_token_id, ids) => {
    expect(await endOf({eos_token_id}, [7])).toEqual({ids, notes: []});
  });

  it.each([{}, {eos_token_id: null}])('ends at config.json’s, with a note, where it has %j', async (json) => {
    expect(await endOf(json, [7])).toEqual({ids: [7], notes: [expect.stringMatching(/no eos_token_id/)]});
    expect(await endOf(json, [])).toEqual({ids: [], notes: []});
  });

  it.each(['2', -1, 1.5, [1, 'x'], {}, Array.from({length: 2000}, () => 1)])(
    'is refused with %j',
    async (eos_token_id) => {
      await expect(endOf({eos_token_id}, [7])).rejects.toThrow(FormatError);
      await expect(endOf({eos_token_id}, [7])).rejects.toThrow(/generation_config\.json at eos_token_id/);
    },
  );

  it('that ends elsewhere than the tokenizer’s texts is told', () => {
    expect(contradictedEnd([40, 41], tokenizer(0))).toMatch(
      /40 \("<40>"\), 41 \("<41>"\), the tokenizer with 0/,
    );
    expect(contradictedEnd([40, 0], tokenizer(0))).toBeNull();
    expect(contradictedEnd([40], tokenizer(null))).toBeNull();
    expect(contradictedEnd([], tokenizer(0))).toBeNull();
  });
});

describe('documents are told apart by', () => {
  it.each<[string, number[], number | null, number | null, number | null, RegExp | null]>([
    ['the end that both name', [0], 0, null, 0, null],
    ['one of several of the config', [7, 0], 0, null, 0, null],
    [
      'the tokenizer’s, over an ordinary word of the config',
      [40],
      0,
      null,
      0,
      /with 0 .*eos_token_id is 40 \("<40>"\)/,
    ],
    ['the config’s, where the tokenizer names none', [3], null, null, 3, null],
    ['the config’s, where the tokenizer’s has no row', [3], 100, null, 3, null],
    [
      'an ordinary word of the config, which is told',
      [40],
      null,
      null,
      40,
      /40 \("<40>"\), which is an ordinary token/,
    ],
    ['what begins a text, where nothing ends it', [], null, 2, 2, null],
    ['nothing', [], null, null, null, null],
  ])('%s', (_, configured, eos, bos, id, note) => {
    const separator = separatorOf(arch(configured), tokenizer(eos, bos));
    expect(separator.id).toBe(id);
    expect(separator.notes).toEqual(note ? [expect.stringMatching(note)] : []);
  });
});
