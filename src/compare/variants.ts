import type {ConvertOptions} from '../convert/index.js';
import type {EvalOptions} from '../eval/index.js';
import type {FinetuneOptions} from '../finetune/index.js';
import type {Layout} from '../model/index.js';
import {appliesTo, optionOf, stageOf, valueOf, type Axis, type Stage} from './axes.js';

/** What a conversion is told in a comparison. */
export type ConvertSettings = Pick<
  ConvertOptions,
  'layout' | 'cycles' | 'head' | 'tail' | 'middleLayers' | 'share' | 'zeroInit' | 'zeroInitBeta' | 'seed'
>;
/** What training is told, but for where things lie. */
export type TrainSettings = Partial<Omit<FinetuneOptions, 'model' | 'output' | 'data'>>;
/** When rows exit as they are scored. */
export type ExitSettings = Pick<EvalOptions, 'exitScore' | 'exitFromCycle' | 'exitGranularity' | 'maxCycles'>;

/** One way to make, train and score a model: a row of the table for each threshold, a run for each seed. */
export interface Variant {
  /** Its layout, and what axes of several values say: `ztt, cycles 3`. */
  name: string;
  layout: Layout;
  convert: ConvertSettings;
  train: TrainSettings;
  exits: ExitSettings;
}

/**
 * Every combination of layouts and the values of axes. Options that mean nothing for a layout are left out there, and
 * what is the same then comes once.
 */
export function variants(layouts: readonly Layout[], axes: readonly Axis[]): Variant[] {
  const all = layouts.flatMap((layout) => combinations(axes).map((given) => variantOf(layout, given, axes)));
  const first = new Map<string, Variant>();
  for (const variant of all) {
    if (!first.has(variant.name)) first.set(variant.name, variant);
  }
  return [...first.values()];
}

type Given = readonly (readonly [axis: string, value: string])[];

function combinations(axes: readonly Axis[]): Given[] {
  return axes.reduce<Given[]>(
    (rows, {name, values}) => rows.flatMap((row) => values.map((value) => [...row, [name, value] as const])),
    [[]],
  );
}

function variantOf(layout: Layout, given: Given, axes: readonly Axis[]): Variant {
  const own = given.filter(([axis]) => appliesTo(axis, layout));
  const varied = own.filter(([axis]) => axes.find(({name}) => name === axis)!.values.length > 1);
  const options = (stage: Stage) =>
    Object.fromEntries(
      own
        .filter(([axis]) => stageOf(axis) === stage)
        .map(([axis, value]) => [optionOf(axis), valueOf(axis, value)]),
    );
  return {
    name: [layout, ...varied.map(([axis, value]) => `${axis} ${value}`)].join(', '),
    layout,
    convert: {layout, ...options('convert')},
    train: options('train'),
    exits: options('exits'),
  };
}
