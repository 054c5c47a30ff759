import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {generate, load, type Model} from '../../src/model/index.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {expected} from './cases.js';

describe('an OPT, whose tokenizer puts </s> in front', () => {
  const folder = join(FIXTURES, 'opt-tiny');
  let model: Model;
  let tokenizer: Tokenizer;
  beforeAll(async () => {
    tokenizer = await Tokenizer.load(folder);
    model = await load(folder, {engine: 'wasm'});
  });
  afterAll(() => model.dispose());

  it.each(expected.generated)('goes on after $prompt as in Transformers', async ({prompt, ids, text}) => {
    const promptIds = tokenizer.encode(prompt);
    expect(promptIds[0]).toBe(2);
    const made: number[] = [];
    for await (const {id} of generate(model, promptIds, {maxNewTokens: ids.length})) made.push(id);
    expect(made).toEqual(ids);
    expect(tokenizer.decode(made, false)).toBe(text);
  });
});
