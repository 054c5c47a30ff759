import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {generate, type GenerateOptions, type GeneratedToken, type Model} from '../../src/index.js';
import {Expected} from '../helpers/oracle.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const PROMPT = [31, 7, 90, 4, 12, 66];

/** An OPT of 40 positions and 101 tokens. */
let model: Model;
beforeAll(async () => {
  const expected = await Expected.open('opt');
  model = await loadVariant('opt', 'ztt2', expected, {engine: 'native'});
  await expected.close();
});
afterAll(() => model.dispose());

/** The same model, whose text ends with another token. */
const endingWith = (eosTokenId: number | null): Pick<Model, 'config' | 'cached'> => ({
  config: {...model.config, endTokenIds: eosTokenId === null ? [] : [eosTokenId]},
  cached: (options) => model.cached(options),
});

async function made(
  ids: readonly number[],
  options: GenerateOptions = {},
  of: Pick<Model, 'config' | 'cached'> = endingWith(null),
): Promise<GeneratedToken[]> {
  const tokens: GeneratedToken[] = [];
  for await (const token of generate(of, ids, options)) tokens.push(token);
  return tokens;
}

/** The likeliest token after a row, and its slots, computed anew. */
async function likeliest(row: number[], threshold: number) {
  const {logits, shape, slotsPerToken} = await model.logits([row], {
    threshold,
    exitGranularity: 'token',
    exitFromCycle: 1,
  });
  const last = logits.subarray((shape[1] - 1) * shape[2]);
  return {id: last.indexOf(Math.max(...last)), slots: slotsPerToken.at(-1)!};
}

describe('generate', () => {
  it.each([1, 0.5, 0.45, 0.4])(
    'takes what each token alone would give, at threshold %d',
    async (threshold) => {
      const tokens = await made(PROMPT, {maxNewTokens: 12, threshold, exitFromCycle: 1});
      const row = [...PROMPT];
      for (const {id, slots} of tokens) {
        expect({id, slots}).toEqual(await likeliest(row, threshold));
        row.push(id);
      }
      expect(row).toHaveLength(18);
    },
  );

  it('counts the cycles that slots reach into', async () => {
    const depths = new Map<number, number>();
    for (const threshold of [1, 0.5, 0.45, 0.4, 0.01]) {
      const tokens = await made(PROMPT, {maxNewTokens: 12, threshold, exitFromCycle: 1});
      for (const {slots, cycles} of tokens) depths.set(slots, cycles);
    }
    const {head, tail, middleSources} = model.config.arrangement;
    const m = middleSources.length;
    expect(depths.get(head + tail)).toBe(0);
    expect(depths.get(head + tail + 2 * m)).toBe(2);
    for (const [slots, cycles] of depths) expect(cycles).toBe(Math.ceil((slots - head - tail) / m));
  });

  it('goes on from the last half of the positions once they are full', async () => {
    const tokens = await made(PROMPT, {maxNewTokens: 60});
    const row = [...PROMPT];
    let window = [...PROMPT];
    for (const {id} of tokens) {
      if (window.length > 40) window = window.slice(-20);
      expect(id).toBe((await likeliest(window, 1)).id);
      row.push(id);
      window = [...window, id];
    }
    expect(row).toHaveLength(66);
  });

  it('reads the last tokens of a prompt that is too long', async () => {
    const long = Array.from({length: 55}, (_, i) => (i * 37) % 101);
    expect(await made(long, {maxNewTokens: 1})).toEqual(await made(long.slice(-40), {maxNewTokens: 1}));
  });

  it('stops at the end of the text, which is not given', async () => {
    const all = (await made(PROMPT, {maxNewTokens: 8})).map(({id}) => id);
    const end = all.find((id, i) => i >= 3 && all.indexOf(id) === i)!;
    const ended = await made(PROMPT, {maxNewTokens: 8}, endingWith(end));
    expect(ended.map(({id}) => id)).toEqual(all.slice(0, all.indexOf(end)));
  });

  it('draws what a seed says, and other tokens from another', async () => {
    const options = {maxNewTokens: 12, temperature: 1, topK: 40, topP: 0.95};
    const first = await made(PROMPT, {...options, seed: 1});
    expect(await made(PROMPT, {...options, seed: 1})).toEqual(first);
    expect(await made(PROMPT, {...options, seed: 2})).not.toEqual(first);
    expect(await made(PROMPT, {...options, topK: 1, seed: 3})).toEqual(
      await made(PROMPT, {maxNewTokens: 12}),
    );
  });

  it('stops at an abort, with its reason', async () => {
    const signal = AbortSignal.abort(new Error('enough'));
    await expect(made(PROMPT, {signal})).rejects.toThrow('enough');
  });

  it('refuses nothing to continue, and options that cannot be', async () => {
    await expect(made([])).rejects.toThrow(/no tokens to continue/);
    for (const maxNewTokens of [0, 1.5, NaN]) {
      await expect(made(PROMPT, {maxNewTokens})).rejects.toThrow(/max-new-tokens is /);
    }
    await expect(made(PROMPT, {threshold: 0.5, exitFromCycle: 3})).rejects.toThrow(/would change nothing/);
    await expect(made(PROMPT, {temperature: NaN})).rejects.toThrow(/temperature is NaN/);
    await expect(made(PROMPT, {topP: 0})).rejects.toThrow(/top-p is 0/);
    await expect(made(PROMPT, {temperature: 0, seed: 1})).rejects.toThrow(/temperature 0 draws nothing/);
  });
});
