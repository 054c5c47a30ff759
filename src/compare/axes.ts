import {UsageError} from '../errors.js';
import {MODEL_OPTIONS} from '../convert/options.js';
import {RUN_OPTIONS} from '../finetune/options.js';
import {hasHeadAndTail, hasZeroTokens, type Layout} from '../model/index.js';
import {EXIT_OPTIONS, GRANULARITY_OPTIONS} from '../model/options.js';
import {
  didYouMean,
  keyOf,
  meant,
  parseValue,
  type AxisNeeds,
  type Option,
  type OptionTable,
} from '../options/index.js';

/** Where an option belongs: to a conversion, to training, or to when rows exit as they are scored. */
export type Stage = 'convert' | 'train' | 'exits';

interface AxisKind {
  stage: Stage;
  option: Option & {axis: AxisNeeds};
}

const axesOf = (stage: Stage, table: OptionTable): [name: string, axis: AxisKind][] =>
  Object.entries(table).flatMap(([name, {axis, ...option}]) =>
    axis === undefined ? [] : [[name, {stage, option: {...option, axis} as AxisKind['option']}]],
  );

/** What can be varied, by the names of the flags of `ztt convert`, `ztt finetune` and `ztt eval`. */
const AXES: Record<string, AxisKind> = Object.fromEntries([
  ...axesOf('convert', MODEL_OPTIONS),
  ...axesOf('train', RUN_OPTIONS),
  ...axesOf('exits', {...EXIT_OPTIONS, ...GRANULARITY_OPTIONS}),
]);

export const AXIS_NAMES: readonly string[] = Object.keys(AXES);

/** An option and the values that it takes, as they were given. */
export interface Axis {
  name: string;
  values: readonly string[];
}

/**
 * Reads `NAME=VALUE,VALUE`.
 * @throws UsageError for an option that is no axis, and values that are none or come twice
 */
export function parseAxis(text: string): Axis {
  const [, name, list] = /^([a-z-]+)=(.+)$/.exec(text) ?? [];
  if (name === undefined || list === undefined) {
    throw new UsageError(`axis ${JSON.stringify(text)} must be NAME=VALUE,VALUE, as cycles=1,2,3.`);
  }
  if (!Object.hasOwn(AXES, name)) {
    const question = didYouMean(meant(name, AXIS_NAMES));
    throw new UsageError(
      `there is no axis ${name}${question ? `${question} There` : '; there'} are ${AXIS_NAMES.join(', ')}.`,
    );
  }
  const values = list.split(',').map((value) => value.trim());
  for (const [i, value] of values.entries()) {
    if (value === '') throw new UsageError(`axis ${text} has an empty value.`);
    if (values.indexOf(value) < i) throw new UsageError(`axis ${name} has ${value} twice.`);
    valueOf(name, value);
  }
  return {name, values};
}

export const stageOf = (axis: string): Stage => AXES[axis]!.stage;

/** Whether an option means anything for a layout: a zero token's initialisation means nothing without zero tokens. */
export function appliesTo(axis: string, layout: Layout): boolean {
  const has: Record<AxisNeeds, boolean> = {
    'any layout': true,
    cycles: layout !== 'vanilla',
    'head and tail': hasHeadAndTail(layout),
    'zero tokens': hasZeroTokens(layout),
  };
  return has[AXES[axis]!.option.axis];
}

/**
 * A value as the library takes it; the members of a list are joined by +.
 * @throws UsageError for a value that the option cannot have
 */
export function valueOf(axis: string, text: string): unknown {
  const {option} = AXES[axis]!;
  const parse = (word: string) => parseValue(`axis ${axis}`, option, word);
  return option.list === undefined ? parse(text) : text.split('+').map(parse);
}

/** An option's name in the library: `zeroInit` of `zero-init`. */
export const optionOf = (axis: string): string => keyOf(axis, AXES[axis]!.option);
