import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {loadBinding} from '../../src/engine/native/binding.js';
import type {Binding} from '../../src/engine/native/calls.js';
import {load, rowFlops, slots, type ForwardOptions, type Model, type ScoreRow} from '../../src/index.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {Expected} from '../helpers/oracle.js';
import {makeTempFolder} from '../helpers/temp.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const ROWS: ScoreRow[] = [
  {ids: [5, 9, 3, 77, 21, 40, 8, 31, 2], from: 4, contextLength: 4},
  {ids: [5, 9, 3, 77, 1, 2], from: 4, contextLength: 4, shared: 4},
  {ids: [13, 13, 70, 4, 99, 18, 33, 6, 51, 27, 44], from: 1, contextLength: 7},
];
const OPTIONS: ForwardOptions[] = [1, 0.55, 0.5, 0.45, 0.4, 0.3].flatMap((threshold) =>
  (['sequence', 'token'] as const).map((exitGranularity) => ({threshold, exitGranularity})),
);

/** A family's OPT-like projections, a fused one, and post-norm with a narrower embedding. */
describe.each(['opt', 'gpt2', 'opt-350m-style', 'gpt2+lora', 'opt+lora'])('FLOPs of %s', (name) => {
  let model: Model;
  let binding: Binding;
  beforeAll(async () => {
    const loaded = await loadBinding();
    if (!loaded.ok) throw new Error(loaded.reason);
    ({binding} = loaded);
    const [base, lora] = name.split('+');
    if (lora) {
      const temp = await makeTempFolder();
      const targets =
        base === 'gpt2' ? ['attn.c_attn', 'mlp.c_fc'] : ['self_attn.q_proj', 'self_attn.v_proj', 'fc2'];
      await writeLoraModel(base!, temp.path('lora'), {rank: 2, alpha: 4, per: 'cycle', targets});
      model = await load(temp.path('lora'), {engine: 'native'});
      await temp.remove();
      return;
    }
    const expected = await Expected.open(name);
    model = await loadVariant(name, 'ztt2', expected, {engine: 'native'});
    await expected.close();
  });
  afterAll(() => model.dispose());

  const counted = async (run: () => Promise<unknown>): Promise<number> => {
    const before = binding.flops();
    await run();
    return binding.flops() - before;
  };

  it.each(OPTIONS)('are what the kernels count, with exits %o', async (options) => {
    let formula = 0;
    const count = await counted(async () => {
      for (const {flops} of await model.score(ROWS, options)) formula += flops;
    });
    expect(count).toBe(formula);
  });

  it.each(OPTIONS)('are what the kernels count with a KV cache, with exits %o', async (options) => {
    const {arch, arrangement} = model.config;
    const depth = slots(arrangement).length;
    const cached = model.cached(options);
    const cost = (tokens: number, before: number, ran: Int32Array) =>
      options.exitGranularity === 'token'
        ? rowFlops(arch, arrangement, {tokens, before, scored: 1, slotsPerToken: ran, depth})
        : rowFlops(arch, arrangement, {
            tokens,
            before,
            scored: 1,
            slots: ran[0]!,
            exited: before === 0 && ran[0]! < depth,
          });
    let step = (await cached.start([[1, 2, 3]]))[0]!;
    for (const ids of [[4], [5, 6], [7]]) {
      const before = step.tokens.count;
      const count = await counted(async () => {
        [step] = (await cached.continue([{after: step.tokens, ids}])) as [typeof step];
      });
      expect(count).toBe(cost(ids.length, before, step.slotsPerToken));
    }
    const start = await counted(async () => {
      step = (await cached.start([[1, 2, 3, 9]]))[0]!;
    });
    expect(start).toBe(cost(4, 0, step.slotsPerToken));
    cached.dispose();
  });
});
