import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {AXIS_NAMES, parseAxis} from '../../src/compare/axes.js';
import {stepsWithin} from '../../src/compare/budget.js';
import {planComparison} from '../../src/compare/plan.js';
import {variants} from '../../src/compare/variants.js';
import {UsageError} from '../../src/index.js';
import {planFinetuneOf} from '../../src/finetune/index.js';
import {readModelConfig} from '../../src/model/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {TOKENIZER as SOURCE} from '../helpers/tiny-model.js';

const names = (layouts: Parameters<typeof variants>[0], ...axes: string[]) =>
  variants(layouts, axes.map(parseAxis)).map(({name}) => name);

describe('variants', () => {
  it('are all combinations of what varies, and leave out what means nothing for a layout', () => {
    expect(names(['vanilla', 'bc', 'ztt'], 'cycles=1,2', 'zero-init=normal,aligned', 'lr=1e-4')).toEqual([
      'vanilla',
      'bc, cycles 1',
      'bc, cycles 2',
      'ztt, cycles 1, zero-init normal',
      'ztt, cycles 1, zero-init aligned',
      'ztt, cycles 2, zero-init normal',
      'ztt, cycles 2, zero-init aligned',
    ]);
  });

  it('hand each option to the stage that it belongs to, as that takes it', () => {
    const axes = ['head=2', 'lr-mult=head=2+zero-keys=10', 'exit-score=length-normalised', 'train=zero-keys'];
    expect(variants(['ztt'], axes.map(parseAxis))).toEqual([
      {
        name: 'ztt',
        layout: 'ztt',
        convert: {layout: 'ztt', head: 2},
        train: {lrMult: ['head=2', 'zero-keys=10'], train: 'zero-keys'},
        exits: {exitScore: 'length-normalised'},
      },
    ]);
    expect(variants(['bc'], axes.map(parseAxis))[0]).toMatchObject({convert: {layout: 'bc'}, exits: {}});
  });

  it.each([
    ['cycles', 'NAME=VALUE,VALUE'],
    ['cycles=', 'NAME=VALUE,VALUE'],
    ['cycles=1,,2', 'an empty value'],
    ['cycles=1,1', '1 twice'],
    ['cycles=two', 'axis cycles is "two"; it must be a whole number from 1 to 1000'],
    ['exit-score=best', 'it must be one of zero-attention, length-normalised'],
    ['output=x', `there are ${AXIS_NAMES.join(', ')}`],
    ['constructor=x', 'there is no axis constructor'],
  ])('refuse the axis %s', (text, why) => {
    expect(() => parseAxis(text)).toThrow(UsageError);
    expect(() => parseAxis(text)).toThrow(why);
  });
});

describe('a training budget', () => {
  const plan = async (steps: number, cycleSchedule: 'full' | 'random' = 'full') => {
    const config = await readModelConfig(SOURCE);
    const arrangement = {...config.arrangement, layout: 'bc' as const, cycles: 3};
    const options = {output: '', data: ['-'], batchSize: 2, seqLen: 32, cycleSchedule, steps};
    return planFinetuneOf({...config, arrangement}, options);
  };

  it('gives as many steps as fit, to the step', async () => {
    expect(await stepsWithin({unit: 'steps', amount: 7}, plan)).toBe(7);
    expect(await stepsWithin({unit: 'tokens', amount: 7 * 64}, plan)).toBe(7);
    expect(await stepsWithin({unit: 'tokens', amount: 7 * 64 - 1}, plan)).toBe(6);
    const {flops} = await plan(13);
    expect(await stepsWithin({unit: 'flops', amount: flops}, plan)).toBe(13);
    expect(await stepsWithin({unit: 'flops', amount: flops * (1 - 1e-9)}, plan)).toBe(12);
  });

  it('counts the cycles that a schedule leaves out', async () => {
    const full = await plan(40);
    const random = await plan(40, 'random');
    expect(random.flops).toBeLessThan(0.85 * full.flops);
    expect(random.flops).toBeGreaterThan(0.5 * full.flops);
    expect(await stepsWithin({unit: 'flops', amount: random.flops}, (steps) => plan(steps, 'random'))).toBe(
      40,
    );
  });

  it('that is too small for a step is refused with what a step takes', async () => {
    await expect(stepsWithin({unit: 'tokens', amount: 63}, plan)).rejects.toThrow(
      'train tokens is 63, but one step takes 64',
    );
  });
});

it('exits are learned and chosen by share also where full depth is the only fixed threshold', async () => {
  const {runs} = await planComparison({
    source: join(FIXTURES, 'gpt2-books'),
    output: join(tmpdir(), 'ztt-plan-that-writes-nothing'),
    data: [join(FIXTURES, 'books_heldout.txt')],
    budget: {unit: 'steps', amount: 1},
    layouts: ['ztt'],
    axes: ['batch-size=1', 'seq-len=16'].map(parseAxis),
    thresholds: [1],
    penalties: [0.05],
    exitShares: [0.5],
  });
  const planned = runs.map(({name, evaluations}) => [
    name,
    evaluations[0]!.penalties,
    evaluations[0]!.exitShares,
  ]);
  expect(planned).toEqual([
    ['vanilla, seed 1', [], []],
    ['ztt, seed 1', [0.05], [0.5]],
  ]);
});
