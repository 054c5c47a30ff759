import {DATA_OPTIONS} from '../data/options.js';
import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {TASK_OPTIONS, THRESHOLDS} from '../eval/options.js';
import {CONTROL_OPTIONS} from '../finetune/options.js';
import {LAYOUTS} from '../model/options.js';
import {OUTPUT, type OptionTable} from '../options/index.js';

const CELLS = 'CELLS';
const BUDGET = 'BUDGET';

/** What every model is trained for: one of these. */
export const BUDGET_OPTIONS = {
  steps: {
    kind: 'whole',
    min: 1,
    max: 1e9,
    oneOf: ['steps', 'train-tokens', 'train-flops'],
    help: 'Train every model for so many steps',
    group: BUDGET,
  },
  'train-tokens': {
    kind: 'real',
    from: 1,
    max: 1e18,
    help: 'Train every model on so many tokens, as 1e6',
    group: BUDGET,
  },
  'train-flops': {
    kind: 'real',
    from: 1,
    max: 1e30,
    help: 'Train every model for so many FLOPs, as 1e15: deeper ones take fewer steps',
    group: BUDGET,
  },
} as const satisfies OptionTable;

/** What a comparison is told. */
export const COMPARE_OPTIONS = {
  output: {...OUTPUT, help: "The comparison's folder; what it has already is not done again"},
  data: DATA_OPTIONS.data,
  'held-out-data': {...DATA_OPTIONS['held-out-data'], excludes: []},
  layouts: {
    kind: 'choice',
    choices: LAYOUTS,
    list: 'commas',
    default: LAYOUTS,
    otherwise: 'all',
    help: 'Layouts to compare; vanilla is always among them',
    group: CELLS,
  },
  seeds: {
    kind: 'whole',
    min: 0,
    max: 2 ** 31 - 1,
    list: 'commas',
    default: [1],
    help: 'Seeds of zero keys, of the order of the data and of what is held out',
    placeholder: 'N,N',
    group: CELLS,
  },
  ...BUDGET_OPTIONS,
  'save-every': {
    ...CONTROL_OPTIONS['save-every'],
    help: 'Steps between checkpoints, which is what a kill can lose',
    group: BUDGET,
  },
  ...TASK_OPTIONS,
  tasks: {...TASK_OPTIONS.tasks, required: false},
  threshold: {...THRESHOLDS, default: [0.2, 0.5, 0.7, 1]},
  'learn-threshold': {
    kind: 'real',
    above: 0,
    max: 1000,
    list: 'commas',
    key: 'penalties',
    help: 'Also learn the exits of ztt, on training data and with the weights as they are: a row for each penalty, in nats a token that compute of one source is worth',
    placeholder: 'X,X',
  },
  'exit-share': {
    kind: 'real',
    above: 0,
    below: 1,
    list: 'commas',
    key: 'exitShares',
    help: 'Also choose thresholds of ztt by share: a row for each share of the training text that is to exit early',
    placeholder: 'X,X',
  },
  jobs: {
    kind: 'whole',
    min: 1,
    max: 1000,
    help: 'Models at a time',
    otherwise: 'as many as cores and memory allow',
  },
  ...THREADED_ENGINE_OPTIONS,
} as const satisfies OptionTable;
