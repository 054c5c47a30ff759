import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {convert, finetune, load, UsageError, type FinetuneOptions} from '../../../src/index.js';
import {cyclesOfStep, exitSlotsOfStep, type CycleOptions} from '../../../src/finetune/settings/cycles.js';
import {lrPartOf, parseLrMult} from '../../../src/finetune/settings/lr-mult.js';
import {readMetrics} from '../../../src/finetune/records/metrics.js';
import {recipeSettings, type RecipeSettings} from '../../../src/finetune/settings/recipe.js';
import {Trainer} from '../../../src/finetune/step/trainer.js';
import {
  embeddingTables,
  modelTensors,
  parseArchitecture,
  type Arrangement,
} from '../../../src/model/index.js';
import {FIXTURES} from '../../helpers/oracle.js';
import {expectResumedAs, interruptAfter} from '../../helpers/short-run.js';
import {sharedTempFolder} from '../../helpers/temp.js';
import {trainerSettings} from '../../helpers/trainer-settings.js';

const SOURCE = join(FIXTURES, 'training', 'gpt2');
const ARRANGEMENT: Arrangement = {
  layout: 'ztt',
  head: 1,
  tail: 1,
  cycles: 3,
  middleSources: [[1], [2]],
  sourceLayers: 4,
};

const RUN = {steps: 40, lr: 1e-4};

const temp = sharedTempFolder();
let model: string;

beforeAll(async () => {
  model = temp.path('ztt');
  await convert({source: SOURCE, output: model, layout: 'ztt', cycles: 3});
});

describe('the cycles of a step', () => {
  const options = (given: Partial<CycleOptions>): CycleOptions => ({
    steps: 100,
    seed: 1,
    cycleSchedule: 'curriculum',
    curriculumShape: 'linear',
    curriculumShare: 0.5,
    ...given,
  });
  /** The first step that runs 1, 2, … cycles of 4. */
  const starts = (given: Partial<CycleOptions>) =>
    [1, 2, 3, 4].map((cycles) => {
      let step = 1;
      while (cyclesOfStep(step, 4, options(given)) < cycles) step++;
      return step;
    });

  it('grow along a line, or slowly first, over a share of the steps', () => {
    expect(starts({})).toEqual([1, 13, 26, 38]);
    // 1 - sqrt(1 - p) > k / 4 from p = 1 - (1 - k / 4)^2 on: 7/16, 3/4 and 15/16 of 50 steps.
    expect(starts({curriculumShape: '1-sqrt'})).toEqual([1, 22, 38, 47]);
    expect(starts({curriculumShare: 1})).toEqual([1, 26, 51, 76]);
    expect(cyclesOfStep(100, 4, options({curriculumShare: 1, curriculumShape: '1-sqrt'}))).toBe(4);
  });

  it('are all of them, or drawn evenly by the seed and the step alone', () => {
    expect(cyclesOfStep(1, 4, options({cycleSchedule: 'full'}))).toBe(4);
    const draw = (seed: number) =>
      Array.from({length: 400}, (_, i) => cyclesOfStep(i + 1, 4, options({cycleSchedule: 'random', seed})));
    const counts = [1, 2, 3, 4].map((cycles) => draw(1).filter((drawn) => drawn === cycles).length);
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(35);
    expect(draw(1)).toEqual(draw(1));
    expect(draw(1)).not.toEqual(draw(2));
  });

  it('have the first slot of one cycle looked at for its exit, and all that are no exits closed', () => {
    const seen = new Set<number>();
    for (let step = 1; step <= 50; step++) {
      const {slots, closed} = exitSlotsOfStep(step, ARRANGEMENT, 2, 1);
      expect(slots.size).toBe(1);
      for (const slot of slots) seen.add(slot);
      // Slot 0 is the head, 1 and 2 are cycle 1, 7 is the tail.
      expect([...closed]).toEqual([0, 1, 2, 4, 6, 7]);
    }
    expect([...seen].sort()).toEqual([3, 5]);
    const none = exitSlotsOfStep(1, ARRANGEMENT, 4, 1);
    expect([none.slots.size, none.closed.size]).toEqual([0, 8]);
  });
});

describe('multipliers of the learning rate', () => {
  it('are read by part', () => {
    expect([...parseLrMult(['head=0', 'zero-keys=1e3'])]).toEqual([
      ['head', 0],
      ['zero-keys', 1000],
    ]);
    for (const wrong of [['tail'], ['tail='], ['tail=-1'], ['tail=x'], ['wte=1'], ['head=1', 'head=2']]) {
      expect(() => parseLrMult(wrong), String(wrong)).toThrow(UsageError);
    }
  });

  it.each(['gpt2', 'opt'])('have a part for each parameter of %s', async (family) => {
    const config: unknown = JSON.parse(
      await readFile(join(FIXTURES, 'training', family, 'config.json'), 'utf8'),
    );
    const arch = parseArchitecture(config, family);
    const names = modelTensors(arch, ARRANGEMENT).map(({name}) => name);
    const parts = new Map(names.map((name) => [name, lrPartOf(name, arch)]));
    const [tokens, positions] = embeddingTables(arch);
    const outside = names.filter((name) => !/^(head|middle|tail)\./.test(name));
    expect(Object.fromEntries(outside.map((name) => [name, parts.get(name)]))).toEqual({
      [tokens!]: 'embeddings',
      [positions!]: 'embeddings',
      [`${arch.lmHead.norm}.weight`]: 'output',
      [`${arch.lmHead.norm}.bias`]: 'output',
      'zero_tokens.key': 'zero-keys',
    });
    for (const part of ['head', 'middle', 'tail'] as const) {
      expect(names.some((name) => name.startsWith(`${part}.`) && parts.get(name) === part)).toBe(true);
    }
  });
});

describe('a recipe', () => {
  const ztt = {layout: 'ztt', cycles: 2} as const;

  it('gives zero keys a learning rate of their own where they are taught, beside other multipliers', () => {
    const lrMult = (given: Partial<RecipeSettings>, run = RUN) => recipeSettings(given, ztt, run).lrMult;
    expect(lrMult({})).toEqual(['zero-keys=10000']);
    expect(lrMult({}, {steps: 4000, lr: 1e-4})).toEqual(['zero-keys=100']);
    expect(lrMult({}, {steps: 5, lr: 1e-9})).toEqual(['zero-keys=1000000']);
    expect(lrMult({lrMult: ['head=0']})).toEqual(['head=0', 'zero-keys=10000']);
    expect(lrMult({lrMult: ['zero-keys=2']})).toEqual(['zero-keys=2']);
    expect(lrMult({exitObjective: 'off'})).toEqual([]);
  });

  it.each<[Partial<RecipeSettings>, RegExp]>([
    [
      {cycleSchedule: 'random'},
      /cycle-schedule random needs several cycles: the model is vanilla with 1 cycle/,
    ],
    [{exitLossWeight: 0.1}, /exit-loss-weight 0.1 needs several cycles/],
    [{exitObjective: 'sequence'}, /exit-objective sequence needs zero tokens and several cycles/],
  ])('refuses %o for a model that cannot have it', (wrong, message) => {
    expect(() => recipeSettings(wrong, {layout: 'vanilla', cycles: 1}, RUN)).toThrow(UsageError);
    expect(() => recipeSettings(wrong, {layout: 'vanilla', cycles: 1}, RUN)).toThrow(message);
    expect(() => recipeSettings(wrong, ztt, RUN)).not.toThrow();
  });

  it.each([
    [{curriculumShare: 0}, /curriculum-share is 0/],
    [{exitLossWeight: -1}, /exit-loss-weight is -1/],
    [{exitObjectiveWeight: NaN}, /exit-objective-weight is NaN/],
    [{exitMargin: Infinity}, /exit-margin is Infinity/],
    [{exitObjectiveWarmup: 2}, /exit-objective-warmup is 2/],
    [{lrMult: ['wte=1']}, /lr-mult has "wte=1"/],
  ])('refuses %o', (wrong, message) => {
    expect(() => recipeSettings(wrong, ztt, RUN)).toThrow(message);
  });
});

describe('training by a recipe', () => {
  const batch = (step: number) =>
    Array.from({length: 4}, (_, row) =>
      Array.from({length: 12}, (_, i) => (step * 7 + row * 13 + i * 5) % 53),
    );

  /** Zero attention at the slots of cycles 2 and 3 in the last of 40 steps. */
  async function zeroAfter(exitMargin: number): Promise<number[]> {
    const loaded = await load(model, {engine: 'native'});
    const recipe = {exitObjective: 'sequence', exitMargin, lrMult: ['zero-keys=200']} as const;
    const trainer = new Trainer(loaded, trainerSettings({steps: 40, lr: 3e-3, ...recipe}, loaded));
    const zeros = new Map<number, number>();
    for (let step = 1; step <= 40; step++) {
      const {exits} = await trainer.step(step, batch(step));
      for (const {slot, zero_attention: zero, harmless} of exits!) {
        zeros.set(slot, zero);
        expect(harmless).toBeCloseTo(exitMargin > 0 ? 1 : 0, 5);
      }
    }
    trainer.dispose();
    loaded.dispose();
    return [...zeros.values()];
  }

  it('draws zero attention to 1 where exits cost little, and to 0 where they do not', async () => {
    const [harmless, costly] = [await zeroAfter(50), await zeroAfter(-50)];
    expect(harmless.length).toBe(2);
    for (const zero of harmless) expect(zero).toBeGreaterThan(0.6);
    for (const zero of costly) expect(zero).toBeLessThan(0.1);
  });

  it('leaves no tensor behind, and what has a multiplier of 0 as it is', async () => {
    const loaded = await load(model, {engine: 'native'});
    const recipe = {exitObjective: 'token', exitLossWeight: 0.1, lrMult: ['head=0']} as const;
    const trainer = new Trainer(loaded, trainerSettings({...recipe, accumulate: 2}, loaded));
    const values = async (name: string) => loaded.parameters().get(name)!.data();
    const before = {
      head: await values('head.0.mlp.c_fc.weight'),
      middle: await values('middle.0.mlp.c_fc.weight'),
    };
    await trainer.step(1, batch(1));
    const {numTensors} = tf.memory();
    const {exits} = await trainer.step(2, batch(2));
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(exits!.length).toBe(1);
    expect(await values('head.0.mlp.c_fc.weight')).toEqual(before.head);
    expect(await values('middle.0.mlp.c_fc.weight')).not.toEqual(before.middle);
    trainer.dispose();
    loaded.dispose();
  });

  it('looks at no exits in steps of fewer cycles, and where the zero keys are frozen', async () => {
    const loaded = await load(model, {engine: 'native'});
    const recipe = {exitObjective: 'sequence', cycleSchedule: 'curriculum', curriculumShare: 1} as const;
    const trainer = new Trainer(loaded, trainerSettings(recipe, loaded));
    expect(await trainer.step(1, batch(1))).toMatchObject({cycles: 1});
    expect((await trainer.step(1, batch(1))).exits).toBeUndefined();
    expect(await trainer.step(10, batch(1))).toMatchObject({exits: [{}]});
    trainer.dispose();
    const frozen = new Trainer(loaded, trainerSettings({exitObjective: 'sequence', train: 'middle'}, loaded));
    expect((await frozen.step(1, batch(1))).exits).toBeUndefined();
    frozen.dispose();
    loaded.dispose();
  });

  it.each<[string, Partial<FinetuneOptions>]>([
    ['all', {}],
    // A step of one cycle has no gradient for the second cycle's matrices.
    ['LoRA of each cycle', {train: 'lora+zero-tokens', loraPer: 'cycle'}],
  ])(
    'goes on after an interruption to the same weights, with drawn cycles and slots: %s',
    async (name, more) => {
      const source = temp.path(`books ${name}`);
      await convert({source: join(FIXTURES, 'gpt2-books'), output: source, layout: 'ztt', cycles: 2});
      const run: Omit<FinetuneOptions, 'output'> = {
        model: source,
        data: [join(FIXTURES, 'books_train.txt')],
        ...{steps: 4, batchSize: 2, seqLen: 16, evalEvery: 0, seed: 3, engine: 'native'},
        ...{cycleSchedule: 'random', exitObjective: 'sequence'},
        ...more,
      };
      const [whole, broken] = [temp.path(`whole ${name}`), temp.path(`broken ${name}`)];
      await finetune({...run, output: whole});
      await interruptAfter(2, {...run, output: broken});
      await expectResumedAs(whole, {...run, output: broken});
      const steps = (await readMetrics(whole)).map(({cycles = 2, exits}) => [cycles, exits?.length ?? 0]);
      expect(new Set(steps.map(String))).toEqual(new Set(['1,0', '2,1']));
    },
  );
});
