import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {describeModel, finetune, load, UsageError} from '../../../src/index.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {expectResumedAs, interruptAfter, SHORT_RUN, shortRunInputs} from '../../helpers/short-run.js';
import {sharedTempFolder} from '../../helpers/temp.js';

const RUN = {...SHORT_RUN, data: [] as string[]};

const temp = sharedTempFolder();
let model: string;

beforeAll(async () => {
  ({model, data: RUN.data} = await shortRunInputs(temp));
});

/** Every parameter of a model, in float32. */
async function valuesOf(folder: string): Promise<Map<string, Float32Array>> {
  const loaded = await load(folder, {engine: 'wasm'});
  const values = new Map<string, Float32Array>();
  for (const [name, variable] of loaded.parameters())
    values.set(name, (await variable.data()) as Float32Array);
  loaded.dispose();
  return values;
}

describe('a run that trains a part', () => {
  it.each([
    ['zero-tokens+norms', /^zero_tokens\.key$|\bln_[12f]\./],
    ['middle', /^middle\./],
    ['lora+zero-tokens', /^zero_tokens\.key$|^lora\./],
  ])('leaves all but %s as it was, bit for bit', async (train, trained) => {
    const output = temp.path(train);
    await finetune({...RUN, model, output, train});
    const [before, after] = [await valuesOf(model), await valuesOf(output)];
    expect([...before.keys()].every((name) => after.has(name))).toBe(true);
    for (const [name, values] of after) {
      if (name.startsWith('lora.')) continue;
      const same = Buffer.from(values.buffer).equals(Buffer.from(before.get(name)!.buffer));
      expect(same, name).toBe(!trained.test(name));
    }
    expect([...after.keys()].some((name) => name.startsWith('lora.'))).toBe(train.startsWith('lora'));
  });

  it('resumes LoRA bit for bit, and goes on with the matrices of a model that has them', async () => {
    const lora = {train: 'lora', loraRank: 4, loraPer: 'cycle', loraTargets: ['c_attn', 'mlp']} as const;
    const [whole, broken, again] = [temp.path('whole'), temp.path('broken'), temp.path('again')];
    const options = {...RUN, ...lora, loraTargets: [...lora.loraTargets], model};
    await finetune({...options, output: whole});
    await interruptAfter(2, {...options, output: broken});
    await expectResumedAs(whole, {...options, output: broken});
    const {lora: found} = await describeModel(whole);
    const targets = ['attn.c_attn', 'mlp.c_fc', 'mlp.c_proj'];
    expect(found).toMatchObject({rank: 4, alpha: 8, per: 'cycle', targets});
    await finetune({...RUN, model: whole, output: again, train: 'lora'});
    expect((await describeModel(again)).lora).toEqual(found);
    const other = finetune({...RUN, model: whole, output: temp.path('other'), train: 'lora', loraRank: 5});
    await expect(other).rejects.toThrow(/has LoRA matrices of its own \(rank 4/);
  });

  it('adds LoRA to a plain source', async () => {
    const output = temp.path('plain');
    await finetune({...RUN, steps: 1, model: join(FIXTURES, 'gpt2-books'), output, train: 'lora'});
    const {layout, lora} = await describeModel(output);
    expect({layout, rank: lora!.rank, per: lora!.per}).toEqual({layout: 'vanilla', rank: 8, per: 'shared'});
  });

  it.each([
    [{train: 'heads'}, /train is "heads"; "heads" is none of/],
    [{loraRank: 4}, /lora-rank goes with train lora; train is "all"/],
    [{train: 'lora', loraRank: 0}, /lora-rank is 0/],
    [{train: 'lora', loraAlpha: -1}, /lora-alpha is -1/],
    [{train: 'lora', loraPer: 'layer' as never}, /there is no lora-per "layer"; there are shared, cycle/],
    [
      {train: 'lora', loraTargets: ['q_proj']},
      /lora-targets has "q_proj"; it takes all, attention, mlp, and of gpt2 attn/,
    ],
    [{train: 'lora', loraTargets: []}, /lora-targets is empty/],
  ])('is refused: %o', async (wrong, message) => {
    const attempt = finetune({...RUN, model, output: temp.path('wrong'), ...wrong});
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(finetune({...RUN, model, output: temp.path('wrong'), ...wrong})).rejects.toThrow(message);
  });
});
