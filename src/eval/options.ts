import type {OptionTable} from '../options/index.js';

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
