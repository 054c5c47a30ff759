import {describe, expect, expectTypeOf, it} from 'vitest';
import {UsageError} from '../../src/errors.js';
import {
  checkOptions,
  helpOf,
  keyOf,
  optionsIn,
  parseValue,
  renamedChoices,
  requirement,
  thresholdsBySlot,
  withDefaults,
  type Option,
  type OptionsOf,
  type OptionTable,
  type SettingsOf,
} from '../../src/options/index.js';

const TABLE = {
  steps: {kind: 'whole', min: 1, max: 1000, default: 200, help: 'Optimiser steps'},
  'batch-size': {kind: 'whole', min: 1, max: 64, auto: true, default: 8, help: 'Sequences', more: 'Or auto.'},
  lr: {kind: 'real', above: 0, max: 1, default: 1e-4, help: 'Peak learning rate'},
  beta1: {kind: 'real', from: 0, below: 1, help: 'Decay', otherwise: 'as in PyTorch'},
  threshold: {
    kind: 'real',
    above: 0,
    max: 1,
    hint: '1 never exits',
    list: 'commas',
    key: 'thresholds',
    help: 'P',
  },
  unit: {kind: 'choice', choices: ['sequence', 'token'], renamed: {row: 'sequence'}, help: 'Whose cost'},
  quick: {kind: 'switch', help: 'Less of all'},
  teacher: {kind: 'text', help: 'A model'},
  'distill-weight': {kind: 'real', above: 0, max: 1, needs: {teacher: true}, help: 'Share'},
  train: {kind: 'text', default: 'all', help: 'Parts'},
  'lora-rank': {kind: 'whole', min: 1, max: 64, needs: {train: 'lora'}, help: 'Rank'},
  'shard-size': {kind: 'bytes', help: 'Bytes'},
  'max-drop': {kind: 'points', help: 'Fall', excludes: ['lr']},
  'slot-threshold': {kind: 'slot threshold', list: 'commas', key: 'slotThresholds', help: 'Of a slot'},
} as const satisfies OptionTable;

const option = (name: keyof typeof TABLE): Option => TABLE[name];

describe('the text of a flag', () => {
  const good: [name: keyof typeof TABLE, text: string, value: unknown][] = [
    ['steps', '+7', 7],
    ['batch-size', 'auto', 'auto'],
    ['lr', '1e-4', 1e-4],
    ['lr', '.5', 0.5],
    ['beta1', '0', 0],
    ['unit', 'token', 'token'],
    ['unit', 'row', 'sequence'],
    ['teacher', 'x', 'x'],
    ['shard-size', '1.5 GB', 1.5e9],
    ['shard-size', '2MiB', 2 ** 21],
    ['max-drop', '1pt', 0.01],
    ['max-drop', '0.02', 0.02],
    ['slot-threshold', '9=0.3', [9, 0.3]],
  ];
  it.each(good)('%s %s is %j', (name, text, value) => {
    expect(parseValue(`--${name}`, option(name), text)).toEqual(value);
  });

  const bad: [name: keyof typeof TABLE, text: string, message: string][] = [
    ['steps', '0', '--steps is "0"; it must be a whole number from 1 to 1000.'],
    ['steps', '1.0', '--steps is "1.0"; it must be a whole number from 1 to 1000.'],
    ['steps', '1e2', '--steps is "1e2"; it must be a whole number from 1 to 1000.'],
    ['steps', '9007199254740993', '--steps is "9007199254740993"; it must be a whole number from 1 to 1000.'],
    ['batch-size', 'Auto', '--batch-size is "Auto"; it must be a whole number from 1 to 64, or auto.'],
    ['lr', '0', '--lr is "0"; it must be a number above 0 and at most 1.'],
    ['lr', '', '--lr is ""; it must be a number above 0 and at most 1.'],
    ['lr', '0x1', '--lr is "0x1"; it must be a number above 0 and at most 1.'],
    ['beta1', '1', '--beta1 is "1"; it must be a number from 0 and below 1.'],
    ['beta1', '1e999', '--beta1 is "1e999"; it must be a number from 0 and below 1.'],
    ['threshold', '1.1', '--threshold is "1.1"; it must be a number above 0 and at most 1 (1 never exits).'],
    ['unit', 'rows', '--unit is rows; it must be one of sequence, token.'],
    ['unit', 'constructor', '--unit is constructor; it must be one of sequence, token.'],
    ['teacher', '', '--teacher is empty; give it a value.'],
    ['shard-size', '5 XB', '--shard-size is "5 XB"; it must be a size such as 5GB, 500MB or 512MiB.'],
    ['max-drop', '2', '--max-drop is "2"; it must be points, as 1pt, or a share from 0 and below 1.'],
    ['slot-threshold', '-1=0.5', '--slot-threshold is "-1=0.5"; it must be a slot and its threshold, '],
  ];
  it.each(bad)('%s %s is refused', (name, text, message) => {
    const parse = () => parseValue(`--${name}`, option(name), text);
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });

  it('of slots and their thresholds is gathered by slot, and no slot comes twice', () => {
    expect(
      thresholdsBySlot('--slot-threshold', [
        [9, 0.3],
        [2, 1],
      ]),
    ).toEqual({2: 1, 9: 0.3});
    const twice = () =>
      thresholdsBySlot('--slot-threshold', [
        [9, 0.3],
        [9, 0.4],
      ]);
    expect(twice).toThrow('--slot-threshold gives slot 9 twice; leave one out.');
  });
});

describe('a library’s check', () => {
  const good: OptionsOf<typeof TABLE>[] = [
    {},
    {steps: 1, batchSize: 'auto', lr: 1, beta1: 0, thresholds: [0.2, 1], unit: 'token', quick: false},
    {teacher: 'x', distillWeight: 1, train: 'norms+lora', loraRank: 64, shardSize: 1, maxDrop: 0},
    {steps: undefined, slotThresholds: {9: 0.3}},
  ];
  it.each(good)('takes %j', (options) => {
    expect(() => checkOptions(TABLE, options)).not.toThrow();
  });

  const bad: [options: Record<string, unknown>, message: string][] = [
    [{steps: 0}, 'steps is 0; it must be a whole number from 1 to 1000.'],
    [{steps: NaN}, 'steps is NaN; it must be'],
    [{steps: '5'}, 'steps is "5"; it must be a whole number'],
    [{batchSize: 'all'}, 'batch-size is "all"; it must be a whole number from 1 to 64, or auto.'],
    [{lr: Infinity}, 'lr is Infinity; it must be a number above 0 and at most 1.'],
    [{beta1: 1}, 'beta1 is 1; it must be a number from 0 and below 1.'],
    [{thresholds: [0.5, 2]}, 'threshold has 2; each must be a number above 0 and at most 1 (1 never exits).'],
    [{thresholds: 0.5}, 'threshold is 0.5; it must be a list.'],
    [{unit: 'row'}, 'there is no unit "row"; there are sequence, token.'],
    [{quick: 1}, 'quick is 1; it must be true or false.'],
    [{teacher: ''}, 'teacher is ""; it must be some text.'],
    [{distillWeight: 0.5}, 'distill-weight goes with teacher; give teacher too.'],
    [{loraRank: 8}, 'lora-rank goes with train lora; train is "all".'],
    [{loraRank: 8, train: 'middle'}, 'lora-rank goes with train lora; train is "middle".'],
    [{shardSize: 0.5}, 'shard-size is 0.5; it must be a size'],
    [{maxDrop: 1}, 'max-drop is 1; it must be points'],
    [{maxDrop: 0.1, lr: 0.1}, 'max-drop and lr are both given; give one of them.'],
    [{slotThresholds: {9: 0}}, 'slot-threshold has 9=0; each must be a slot and its threshold'],
  ];
  it.each(bad)('refuses %j', (options, message) => {
    const check = () => checkOptions(TABLE, options as OptionsOf<typeof TABLE>);
    expect(check).toThrow(UsageError);
    expect(check).toThrow(message);
  });
});

describe('options', () => {
  it('have the library’s names by one rule, or by their own key', () => {
    expect(['steps', 'batch-size', 'exit-objective-warmup'].map((name) => keyOf(name))).toEqual([
      'steps',
      'batchSize',
      'exitObjectiveWarmup',
    ]);
    expect(keyOf('threshold', option('threshold'))).toBe('thresholds');
  });

  it('are typed by their table', () => {
    type Given = OptionsOf<typeof TABLE>;
    expectTypeOf<Given['batchSize']>().toEqualTypeOf<number | 'auto' | undefined>();
    expectTypeOf<Given['thresholds']>().toEqualTypeOf<readonly number[] | undefined>();
    expectTypeOf<Given['unit']>().toEqualTypeOf<'sequence' | 'token' | undefined>();
    expectTypeOf<Given['quick']>().toEqualTypeOf<boolean | undefined>();
    expectTypeOf<SettingsOf<typeof TABLE>['steps']>().toEqualTypeOf<number>();
    expectTypeOf<SettingsOf<typeof TABLE>['beta1']>().toEqualTypeOf<number | undefined>();
  });

  it('have the table’s defaults where they are not given', () => {
    const more = {quick: true, output: 'x'};
    expect(withDefaults(TABLE, {...more, lr: 0.1})).toEqual({
      steps: 200,
      batchSize: 8,
      lr: 0.1,
      train: 'all',
      quick: true,
    });
    expect(optionsIn(TABLE, more)).toEqual({quick: true});
  });

  it('tell of earlier words, and take them as today’s', () => {
    const notes: string[] = [];
    const now = renamedChoices(TABLE, {unit: 'row', teacher: 'row'}, (line) => notes.push(line));
    expect(now).toEqual({unit: 'sequence', teacher: 'row'});
    expect(notes).toEqual(['unit row is called sequence now.']);
    expect(renamedChoices(TABLE, {unit: 'token'}, (line) => notes.push(line))).toEqual({unit: 'token'});
    expect(notes).toHaveLength(1);
  });

  it('tell their default behind their line', () => {
    expect(helpOf(option('batch-size'))).toBe('Sequences; 8 unless given. Or auto.');
    expect(helpOf(option('lr'))).toBe('Peak learning rate; 1e-4 unless given.');
    expect(helpOf(option('beta1'))).toBe('Decay; as in PyTorch unless given.');
    expect(helpOf(option('quick'))).toBe('Less of all.');
    expect(helpOf({kind: 'text', help: 'X', default: [0.2, 1]})).toBe('X; 0.2,1 unless given.');
    expect(requirement({kind: 'real', help: 'X'})).toBe('a number');
  });
});
