import {EXIT_OPTIONS, GRANULARITY_OPTIONS, SLOT_THRESHOLD, THRESHOLD_RANGE} from '../model/options.js';
import type {Option, OptionTable} from '../options/index.js';

/** The harness's tasks that ztt has. */
export const TASK_NAMES = [
  'lambada_openai',
  'lambada_standard',
  'piqa',
  'arc_easy',
  'arc_challenge',
  'hellaswag',
  'winogrande',
  'sciq',
  'openbookqa',
  'boolq',
  'wikitext',
] as const;
export type TaskName = (typeof TASK_NAMES)[number];

/** Which tasks a model is scored on. */
export const TASK_OPTIONS = {
  tasks: {
    kind: 'text',
    list: 'commas',
    help: 'The tasks, by name, as paths of .jsonl and .parquet files, or synthetic, as synthetic:p-hop?n=16&p=4',
    placeholder: 'T,T',
    required: true,
  },
  'task-data': {
    kind: 'text',
    key: 'taskFolder',
    help: "A folder with the named tasks' datasets, in place of the Hub: each as its repo has it, in USER/NAME, NAME or TASK, or as TASK.jsonl",
    placeholder: 'DIR',
  },
  limit: {
    kind: 'whole',
    min: 1,
    max: 1e9,
    help: 'Rows of each task to use, from the first',
    otherwise: 'all',
  },
} as const satisfies OptionTable;

/** Thresholds to measure at. */
export const THRESHOLDS = {
  kind: 'real',
  ...THRESHOLD_RANGE,
  list: 'commas',
  key: 'thresholds',
  help: 'Early-exit thresholds to measure at, each by itself; smaller exits earlier, 1 never',
  placeholder: 'P,P',
} as const satisfies Option;

/** Rows of a calibration split, unless told. */
export const CALIBRATION_ROWS = 200;

/** What an evaluation is told. */
export const EVAL_OPTIONS = {
  ...TASK_OPTIONS,
  threshold: {...THRESHOLDS, otherwise: '1, or none with budgets'},
  'slot-threshold': {...SLOT_THRESHOLD, excludes: ['budget']},
  budget: {
    kind: 'text',
    list: 'commas',
    key: 'budgets',
    help: "Compute to choose thresholds for: as a multiple of the source's, or in FLOPs a token, as 8.5M",
    more: "They are the model's own calibration's, or chosen on the tasks' calibration splits.",
    placeholder: 'B,B',
  },
  'calibration-limit': {
    kind: 'whole',
    min: 1,
    max: 1e9,
    default: CALIBRATION_ROWS,
    help: 'Rows of each calibration split to choose on, from the first',
  },
  ...EXIT_OPTIONS,
  ...GRANULARITY_OPTIONS,
  time: {
    kind: 'whole',
    min: 0,
    max: 1e9,
    key: 'timedQuestions',
    default: 16,
    help: 'Questions of each task to time at each threshold, in batches and alone',
  },
} as const satisfies OptionTable;

/** What a calibration is told: the tasks, and a largest drop or a budget. */
export const CALIBRATE_OPTIONS = {
  ...TASK_OPTIONS,
  limit: {...TASK_OPTIONS.limit, otherwise: String(CALIBRATION_ROWS)},
  'max-drop': {
    kind: 'points',
    help: 'The largest fall in accuracy below full depth: 1pt is one point, and so is 0.01',
  },
  budget: {
    kind: 'text',
    help: "Compute to meet: as a multiple of the source's, or in FLOPs a token, as 8.5M",
    placeholder: 'B',
  },
  ...EXIT_OPTIONS,
  ...GRANULARITY_OPTIONS,
} as const satisfies OptionTable;

/** A model's compute a token, from which its calibration gives a threshold. */
export const TOKEN_BUDGET_OPTIONS = {
  budget: {
    kind: 'text',
    help: "Compute a token, from which the model's calibration gives the threshold: as a multiple of the source's, or in FLOPs, as 8.5M",
    more: 'See calibrate --exit-granularity token.',
    placeholder: 'B',
    group: 'EXIT',
    excludes: ['threshold', 'slot-threshold', 'exit-score', 'exit-from-cycle', 'max-cycles'],
  },
} as const satisfies OptionTable;
