import {Flags, type Interfaces} from '@oclif/core';
import {UsageError} from '../errors.js';
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

/** The flags, by the library's names. */
export const exitOptions = <Score extends string>(
  flags: Interfaces.InferredFlags<ReturnType<typeof exitFlags<Score>>>,
) => ({
  exitScore: flags['exit-score'],
  exitFromCycle: flags['exit-from-cycle'],
  maxCycles: flags['max-cycles'],
});

/** `--exit-granularity`, for commands that score. Which there are, the caller knows. */
export const granularityFlag = <Granularity extends string>(granularities: readonly Granularity[]) =>
  Flags.option({
    options: granularities,
    description:
      'Whether a question exits as a whole (sequence, default) or each token by itself. In documents each token does.',
    helpGroup: 'EXIT',
  })();

/** `--max-drop 1pt`: a share, in points or as a number. */
export const dropFlag = Flags.custom<number>({
  description: 'The largest fall in accuracy below full depth: 1pt is one point, and so is 0.01.',
  helpValue: '1pt',
  parse: (input) => {
    const [, digits, points] = /^(\d+\.?\d*|\.\d+) ?(pt|%)?$/.exec(input) ?? [];
    const drop = Number(digits) / (points ? 100 : 1);
    if (!(drop >= 0 && drop < 1)) {
      throw new UsageError(
        `--max-drop is ${JSON.stringify(input)}; it must be points, as 1pt, or a share from 0 and below 1.`,
      );
    }
    return Promise.resolve(drop);
  },
})();
