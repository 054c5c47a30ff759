import type {OptionTable} from '../options/index.js';

const group = 'DATA';

/** What a run is held out, unless told: a share of the data, but at most so many sequences. */
export const HELD_OUT = {share: 1 / 20, atMost: 16} as const;

/** What a run is trained and evaluated on. */
export const DATA_OPTIONS = {
  data: {
    kind: 'text',
    list: 'words',
    help: 'What to train on: text, .jsonl and .parquet files, as FILE or FILE:COLUMN; datasets, as DATASET[:CONFIG][:SPLIT], folders or repos of the Hub; synthetic tasks, as synthetic:p-hop?n=16&p=4; each perhaps with =WEIGHT behind',
    placeholder: 'DATA',
    required: true,
  },
  'held-out': {
    kind: 'real',
    above: 0,
    below: 1,
    help: 'Share of the data to hold out for evaluations',
    otherwise: `${100 * HELD_OUT.share} %, at most ${HELD_OUT.atMost} sequences`,
    group,
  },
  'held-out-data': {
    kind: 'text',
    list: 'words',
    help: 'Data to evaluate on in place of a share of --data',
    placeholder: 'DATA',
    excludes: ['held-out'],
    group,
  },
  'isolate-documents': {
    kind: 'switch',
    help: "Leave out the loss of each document's first token, before which another document stands",
    group,
  },
} as const satisfies OptionTable;
