import {MAX_CYCLES} from '../model/options.js';
import {FORCE, OUTPUT, type OptionTable} from '../options/index.js';

/** The dtypes that a model is exported in. */
export const EXPORT_DTYPES = ['float32', 'float16'] as const;

/** What an export is told. */
export const EXPORT_OPTIONS = {
  output: OUTPUT,
  cycles: {
    kind: 'whole',
    min: 1,
    max: MAX_CYCLES,
    help: 'Cycles of the middle layers that run',
    otherwise: "all of the model's",
  },
  dtype: {
    kind: 'choice',
    choices: EXPORT_DTYPES,
    default: 'float32',
    help: 'What weights and cache are, and is computed in',
  },
  force: FORCE,
} as const satisfies OptionTable;
