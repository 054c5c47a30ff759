import {CAST_DTYPES, MAX_SHARD_SIZE} from '../checkpoint/options.js';
import {ENGINE_OPTIONS} from '../engine/options.js';
import {LAYOUTS, MAX_CYCLES, MAX_LAYERS, SHARES, ZERO_INITS} from '../model/options.js';
import {FORCE, MODEL_FORMS, OUTPUT, type OptionTable} from '../options/index.js';
import {LETTER_TOKENIZER} from '../synthetic/options.js';

/** How a conversion proves itself: not at all, by every tensor's bytes, or by the model's predictions as well. */
export const VERIFY_LEVELS = ['none', 'bytes', 'logits'] as const;
export type VerifyLevel = (typeof VERIFY_LEVELS)[number];

const LAYOUT = 'LAYOUT';

/** How layers are arranged. */
export const LAYOUT_OPTIONS = {
  layout: {
    kind: 'choice',
    choices: LAYOUTS,
    default: 'ztt',
    help: 'How the layers are arranged',
    group: LAYOUT,
  },
  cycles: {
    kind: 'whole',
    min: 1,
    max: MAX_CYCLES,
    help: 'Times the middle layers run',
    otherwise: '2, or as many as keep the depth where --middle-layers makes fewer',
    group: LAYOUT,
    axis: 'cycles',
  },
  head: {
    kind: 'whole',
    min: 0,
    max: MAX_LAYERS,
    help: 'First layers that run once',
    otherwise: '1 for ztt and htc',
    group: LAYOUT,
    axis: 'head and tail',
  },
  tail: {
    kind: 'whole',
    min: 0,
    max: MAX_LAYERS,
    help: 'Last layers that run once',
    otherwise: '1 for ztt and htc',
    group: LAYOUT,
    axis: 'head and tail',
  },
} as const satisfies OptionTable;

/** How the layers of a source are arranged, which may be fewer than it has. */
const ARRANGE_OPTIONS = {
  ...LAYOUT_OPTIONS,
  'middle-layers': {
    kind: 'whole',
    min: 1,
    max: MAX_LAYERS,
    help: 'Middle layers to keep of the source',
    otherwise: 'all',
    placeholder: 'K',
    group: LAYOUT,
    axis: 'cycles',
  },
  share: {
    kind: 'choice',
    choices: SHARES,
    help: 'How fewer middle layers are made of the source',
    otherwise: 'stepwise',
    group: LAYOUT,
    axis: 'cycles',
  },
} as const satisfies OptionTable;

const ZERO_TOKENS = 'ZERO TOKENS';

const SEED = {
  kind: 'whole',
  min: Number.MIN_SAFE_INTEGER,
  max: Number.MAX_SAFE_INTEGER,
  default: 0,
} as const;

/** What decides the model that a conversion gives. */
export const MODEL_OPTIONS = {
  ...ARRANGE_OPTIONS,
  'zero-init': {
    kind: 'choice',
    choices: ZERO_INITS,
    default: 'normal',
    help: 'How the zero keys begin: normal (drawn by --seed), zeros, or aligned with the query bias',
    group: ZERO_TOKENS,
    axis: 'zero tokens',
  },
  'zero-init-beta': {
    kind: 'real',
    above: 0,
    max: 1000,
    default: 4,
    needs: {'zero-init': 'aligned'},
    help: 'How far below 0 the zero logit of aligned keys is where a query is its bias',
    group: ZERO_TOKENS,
    axis: 'zero tokens',
  },
  seed: {...SEED, help: 'Seed of normal zero keys', group: ZERO_TOKENS},
} as const satisfies OptionTable;

const WEIGHTS = 'WEIGHTS';

/** What a conversion is told. */
export const CONVERT_OPTIONS = {
  output: OUTPUT,
  ...MODEL_OPTIONS,
  dtype: {
    kind: 'choice',
    choices: CAST_DTYPES,
    help: 'Cast the parameters',
    otherwise: "the source's bytes stay",
    more: 'Zero keys are always float32.',
    group: WEIGHTS,
  },
  'max-shard-size': {...MAX_SHARD_SIZE, group: WEIGHTS},
  force: FORCE,
  verify: {
    kind: 'choice',
    choices: VERIFY_LEVELS,
    default: 'bytes',
    help: 'bytes: read every tensor back',
    more: 'logits: also load both models and compare what they predict. none: neither, and no certificate.',
    group: 'PROOF',
  },
  ...ENGINE_OPTIONS,
} as const satisfies OptionTable;

/** What the way back to a plain checkpoint is told. */
export const REVERT_OPTIONS = {
  output: OUTPUT,
  force: FORCE,
  'max-shard-size': MAX_SHARD_SIZE,
  unroll: {kind: 'switch', help: 'Write cycles out as layers'},
  'drop-zero-tokens': {
    kind: 'switch',
    help: 'Leave the zero tokens out, which changes what the model computes',
  },
  ...ENGINE_OPTIONS,
} as const satisfies OptionTable;

/** What merging LoRA matrices is told. */
export const MERGE_OPTIONS = {output: OUTPUT} as const satisfies OptionTable;

/** What making a random model is told. */
export const INIT_OPTIONS = {
  'base-config': {
    kind: 'text',
    help: `A config.json of a family that ztt reads, or a model that has one: ${MODEL_FORMS}`,
    more: 'Or give sizes.',
    placeholder: 'FILE|MODEL',
  },
  output: OUTPUT,
  tokenizer: {
    kind: 'text',
    help: `A model whose tokenizer is taken, or ${LETTER_TOKENIZER}, made for the synthetic tasks; its vocabulary goes into the config`,
    otherwise: 'that of --base-config',
    placeholder: 'MODEL',
  },
  ...LAYOUT_OPTIONS,
  cycles: {...LAYOUT_OPTIONS.cycles, otherwise: '2'},
  'zero-init': {
    ...MODEL_OPTIONS['zero-init'],
    choices: ['normal', 'zeros'],
    help: 'How the zero keys begin',
    group: LAYOUT,
  },
  seed: {...SEED, help: 'Seed of all random values'},
} as const satisfies OptionTable;
