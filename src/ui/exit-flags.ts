import {Flags} from '@oclif/core';
import {wholeNumber} from './flags.js';

/** The flags that say when a model exits early, beside `--threshold`. Which scores there are, the caller knows. */
export const exitFlags = <Score extends string>(scores: readonly Score[]) => ({
  'exit-score': Flags.option({
    options: scores,
    description:
      "What the threshold is held against: zero attention itself (default), or the zero token's weight against the mean of the keys', which does not fall as the context grows.",
    helpGroup: 'EXIT',
  })(),
  'exit-from-cycle': wholeNumber({
    description: "The first cycle in which exits are checked; the model's own (usually 2) unless given.",
    helpGroup: 'EXIT',
    min: 1,
    max: 1000,
  }),
  'max-cycles': wholeNumber({
    description: 'A fixed depth: cycles of the middle layers to run at most; all unless given.',
    helpGroup: 'EXIT',
    min: 1,
    max: 1000,
  }),
});
