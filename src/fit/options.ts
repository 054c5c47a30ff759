import {DATA_OPTIONS} from '../data/options.js';
import type {OptionTable} from '../options/index.js';

const group = 'FITTING EXITS';

/** Rows of text that exits are fitted on, and tokens of each, unless told. */
export const FIT_ROWS = 384;
export const FIT_SEQ_LEN = 256;

/** The fewest rows that anything can be learnt from. */
export const FEWEST_FIT_ROWS = 16;

/** How the exits of a finished model are fitted. */
export const FIT_OPTIONS = {
  'fit-exits': {
    kind: 'switch',
    help: 'Fit the zero keys of the exits on --data, in place of choosing a threshold',
    more: 'Zero attention above 0.5 then means that an exit is expected to cost less than --price.',
    group,
    needs: {data: true},
  },
  data: {
    ...DATA_OPTIONS.data,
    help: 'Text to fit on, as finetune takes it; of all the kinds that the model shall meet',
    required: false,
    group,
    needs: {'fit-exits': true},
  },
  price: {
    kind: 'real',
    from: -100,
    max: 100,
    help: 'What an exit may cost, in nats a token',
    otherwise: 'the mean cost of the exit',
    group,
    needs: {'fit-exits': true},
  },
  rows: {
    kind: 'whole',
    min: FEWEST_FIT_ROWS,
    max: 1e6,
    default: FIT_ROWS,
    help: 'Rows of text to fit on',
    group,
    needs: {'fit-exits': true},
  },
  'seq-len': {
    kind: 'whole',
    min: 2,
    max: 1e7,
    help: 'Tokens a row',
    otherwise: `what the model takes, at most ${FIT_SEQ_LEN}`,
    group,
    needs: {'fit-exits': true},
  },
  'fit-seed': {
    kind: 'whole',
    min: -(2 ** 31),
    max: 2 ** 31,
    default: 0,
    key: 'seed',
    help: 'Decides which rows of the data are taken',
    group,
    needs: {'fit-exits': true},
  },
} as const satisfies OptionTable;
