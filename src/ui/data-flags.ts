import {Flags} from '@oclif/core';
import {realNumber, someText} from './plain-flags.js';

/** What a run is trained and evaluated on, for commands that train. */
export const dataFlags = {
  data: someText({
    description:
      'What to train on: text, .jsonl and .parquet files, as FILE or FILE:COLUMN; datasets, as ' +
      'DATASET[:CONFIG][:SPLIT], folders or repos of the Hub; synthetic tasks, as synthetic:p-hop?n=16&p=4; each ' +
      'perhaps with =WEIGHT behind.',
    helpValue: 'DATA',
    required: true,
    multiple: true,
  }),
  'held-out': realNumber({
    description:
      'Share of the data to hold out for evaluations; a twentieth, at most 16 sequences, unless given.',
    helpGroup: 'DATA',
    above: 0,
    max: 0.999,
  }),
  'held-out-data': someText({
    description: 'Data to evaluate on in place of a share of --data.',
    helpGroup: 'DATA',
    helpValue: 'DATA',
    multiple: true,
    exclusive: ['held-out'],
  }),
  'isolate-documents': Flags.boolean({
    description: "Leave out the loss of each document's first token, before which another document stands.",
    helpGroup: 'DATA',
  }),
};
