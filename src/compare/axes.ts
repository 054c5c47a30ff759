import {UsageError} from '../errors.js';
import {EXIT_GRANULARITIES, EXIT_SCORES, hasHeadAndTail, hasZeroTokens, type Layout} from '../model/index.js';

/** Where an option belongs: to a conversion, to training, or to when rows exit as they are scored. */
export type Stage = 'convert' | 'train' | 'exits';

/** What a layout must have for an option to mean anything. */
type Needs = 'nothing' | 'cycles' | 'ends' | 'zero tokens';

interface AxisKind {
  stage: Stage;
  needs: Needs;
  /** `words` is a list, its members joined by +; an array has all that there are. */
  value: 'word' | 'number' | 'words' | readonly string[];
}

const axis = (stage: Stage, value: AxisKind['value'], needs: Needs = 'nothing'): AxisKind => ({
  stage,
  needs,
  value,
});

/** What can be varied, by the names of the flags of `ztt convert`, `ztt finetune` and `ztt eval`. */
const AXES: Record<string, AxisKind> = {
  cycles: axis('convert', 'number', 'cycles'),
  'middle-layers': axis('convert', 'number', 'cycles'),
  share: axis('convert', 'word', 'cycles'),
  head: axis('convert', 'number', 'ends'),
  tail: axis('convert', 'number', 'ends'),
  'zero-init': axis('convert', 'word', 'zero tokens'),
  'zero-init-beta': axis('convert', 'number', 'zero tokens'),
  train: axis('train', 'word'),
  'lora-rank': axis('train', 'number'),
  'lora-alpha': axis('train', 'number'),
  'lora-per': axis('train', 'word', 'cycles'),
  lr: axis('train', 'number'),
  'lr-schedule': axis('train', 'word'),
  warmup: axis('train', 'number'),
  'weight-decay': axis('train', 'number'),
  'clip-norm': axis('train', 'number'),
  'batch-size': axis('train', 'number'),
  accumulate: axis('train', 'number'),
  'seq-len': axis('train', 'number'),
  'lr-mult': axis('train', 'words'),
  'cycle-schedule': axis('train', 'word', 'cycles'),
  'curriculum-shape': axis('train', 'word', 'cycles'),
  'curriculum-share': axis('train', 'number', 'cycles'),
  'exit-loss-weight': axis('train', 'number', 'cycles'),
  'exit-objective': axis('train', 'word', 'zero tokens'),
  'exit-objective-weight': axis('train', 'number', 'zero tokens'),
  'exit-objective-warmup': axis('train', 'number', 'zero tokens'),
  'exit-margin': axis('train', 'number', 'zero tokens'),
  'exit-score': axis('exits', EXIT_SCORES, 'zero tokens'),
  'exit-from-cycle': axis('exits', 'number', 'zero tokens'),
  'exit-granularity': axis('exits', EXIT_GRANULARITIES, 'zero tokens'),
  'max-cycles': axis('exits', 'number', 'cycles'),
};

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
    throw new UsageError(`there is no axis ${name}; there are ${AXIS_NAMES.join(', ')}.`);
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
  const has: Record<Needs, boolean> = {
    nothing: true,
    cycles: layout !== 'vanilla',
    ends: hasHeadAndTail(layout),
    'zero tokens': hasZeroTokens(layout),
  };
  return has[AXES[axis]!.needs];
}

/**
 * A value as the library takes it. What else it may be, the library says where it is used.
 * @throws UsageError for a number or word that is none
 */
export function valueOf(axis: string, text: string): string | number | string[] {
  const {value} = AXES[axis]!;
  if (value === 'words') return text.split('+');
  if (value === 'word') return text;
  if (value !== 'number') {
    if (value.includes(text)) return text;
    throw new UsageError(`axis ${axis} has ${text}; there are ${value.join(', ')}.`);
  }
  const number = Number(text);
  if (!Number.isFinite(number)) throw new UsageError(`axis ${axis} has ${text}; its values are numbers.`);
  return number;
}

/** An option's name in the library: `zeroInit` of `zero-init`. */
export const optionOf = (axis: string): string =>
  axis.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
