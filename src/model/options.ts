import type {OptionTable} from '../options/index.js';
import {EXIT_GRANULARITIES} from './exits/granularity.js';
import {EXIT_SCORES} from './exits/signals.js';
import {MAX_CYCLES} from './layout.js';

export {LAYOUTS, MAX_CYCLES} from './layout.js';
export {LORA_PER, MAX_LORA_RANK, type LoraPer} from './lora-bounds.js';

/** How K middle layers are made of the source's m; `keep` keeps all. */
export const SHARES = ['keep', 'first', 'last', 'stepwise', 'average'] as const;
export type Share = (typeof SHARES)[number];

/** How zero keys begin. */
export const ZERO_INITS = ['normal', 'zeros', 'aligned'] as const;
export type ZeroInit = (typeof ZERO_INITS)[number];

/** No model has as many layers. */
export const MAX_LAYERS = 10_000;

const group = 'EXIT';

/** An early-exit threshold. */
export const THRESHOLD_RANGE = {above: 0, max: 1, hint: '1 never exits'} as const;

/** A threshold for single slots. */
export const SLOT_THRESHOLD = {
  kind: 'slot threshold',
  key: 'slotThresholds',
  list: 'commas',
  help: 'A threshold for one slot, counted from 0, where it takes the place of --threshold; with --threshold 1 only the slots named so are checked',
  group,
} as const satisfies OptionTable[string];

/** When a model exits early, beside its threshold. */
export const EXIT_OPTIONS = {
  'exit-score': {
    kind: 'choice',
    choices: EXIT_SCORES,
    help: "What the threshold is held against: zero attention itself (default), or the zero token's weight against the mean of the keys', which does not fall as the context grows",
    group,
    axis: 'zero tokens',
  },
  'exit-from-cycle': {
    kind: 'whole',
    min: 1,
    max: MAX_CYCLES,
    help: 'The first cycle in which exits are checked',
    otherwise: "the model's own (usually 2)",
    group,
    axis: 'zero tokens',
  },
  'max-cycles': {
    kind: 'whole',
    min: 1,
    max: MAX_CYCLES,
    help: 'A fixed depth: cycles of the middle layers to run at most',
    otherwise: 'all',
    group,
    axis: 'cycles',
  },
} as const satisfies OptionTable;

/** Whether rows that are scored exit as a whole. */
export const GRANULARITY_OPTIONS = {
  'exit-granularity': {
    kind: 'choice',
    choices: EXIT_GRANULARITIES,
    help: 'Whether a question exits as a whole (sequence, default) or each token by itself',
    more: 'In documents each token does.',
    group,
    axis: 'zero tokens',
  },
} as const satisfies OptionTable;

const SAMPLING = 'SAMPLING';

/** How tokens are drawn. */
export const SAMPLING_OPTIONS = {
  temperature: {
    kind: 'real',
    from: 0,
    hint: '0 takes the likeliest token',
    help: 'What the logits are divided by before a token is drawn; 0 takes the likeliest, the default',
    group: SAMPLING,
  },
  'top-k': {
    kind: 'whole',
    min: 1,
    max: 10_000_000,
    help: 'Draw from this many of the likeliest tokens',
    group: SAMPLING,
  },
  'top-p': {
    kind: 'real',
    above: 0,
    max: 1,
    help: 'Draw from the fewest of the likeliest tokens whose probabilities add up to this',
    group: SAMPLING,
  },
  seed: {
    kind: 'whole',
    min: 0,
    max: 2 ** 32 - 1,
    help: 'Draw the same tokens again',
    otherwise: 'another each time',
    group: SAMPLING,
  },
} as const satisfies OptionTable;

/** How a text is continued. */
export const GENERATE_OPTIONS = {
  'max-new-tokens': {
    kind: 'whole',
    min: 1,
    max: 1_000_000,
    default: 50,
    aliases: ['max-tokens'],
    help: 'Tokens to add at most',
  },
  ...SAMPLING_OPTIONS,
  threshold: {
    kind: 'real',
    ...THRESHOLD_RANGE,
    help: 'Exit early where the mean zero attention exceeds it; smaller exits earlier, 1 never',
    otherwise: "the model's own (usually 1)",
    placeholder: 'P',
  },
  'slot-threshold': SLOT_THRESHOLD,
  ...EXIT_OPTIONS,
} as const satisfies OptionTable;

/** Attention heads of a new model are about so wide unless told. */
export const HEAD_WIDTH = 64;

const SIZE = {kind: 'whole', group: 'GPT-2 SIZES', excludes: ['base-config']} as const;

/** The sizes of a new GPT-2; the defaults are those of the smallest one that was published. */
export const SIZE_OPTIONS = {
  layers: {...SIZE, min: 1, max: MAX_LAYERS, default: 12, help: 'Layers'},
  width: {...SIZE, min: 1, max: 1_000_000, default: 768, help: 'Width'},
  heads: {
    ...SIZE,
    min: 1,
    max: 1_000_000,
    help: 'Attention heads',
    otherwise: `as many as make each about ${HEAD_WIDTH} wide`,
  },
  positions: {...SIZE, min: 2, max: 10_000_000, default: 1024, help: 'Longest input in tokens'},
} as const satisfies OptionTable;
