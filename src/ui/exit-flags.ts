import {Flags, type Interfaces} from '@oclif/core';
import {UsageError} from '../errors.js';
import {wholeNumber} from './plain-flags.js';

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

/** `--slot-threshold SLOT=P`, for commands that run a model. `slotThresholds` makes one record of what it gives. */
export const slotThresholdFlag = Flags.custom<readonly [slot: number, threshold: number]>({
  description:
    'A threshold for one slot, counted from 0, where it takes the place of --threshold; with --threshold 1 only the slots named so are checked.',
  helpGroup: 'EXIT',
  helpValue: 'SLOT=P',
  multiple: true,
  multipleNonGreedy: true,
  delimiter: ',',
  parse: (input) => {
    const [, slot, threshold] = /^(\d{1,9})=(\d+\.?\d*|\.\d+)$/.exec(input) ?? [];
    if (!(Number(threshold) > 0 && Number(threshold) <= 1)) {
      throw new UsageError(
        `--slot-threshold is ${JSON.stringify(input)}; it must be a slot and its threshold, as 9=0.3, above 0 and at most 1 (1 never exits).`,
      );
    }
    return Promise.resolve([Number(slot), Number(threshold)]);
  },
});

/** The thresholds of slots, by slot. @throws UsageError for a slot with two */
export function slotThresholds(
  pairs: readonly (readonly [slot: number, threshold: number])[] | undefined,
): Record<number, number> | undefined {
  if (!pairs) return undefined;
  const twice = pairs.find(([slot], i) => pairs.findIndex(([other]) => other === slot) < i);
  if (twice) throw new UsageError(`--slot-threshold gives slot ${twice[0]} twice; leave one out.`);
  return Object.fromEntries(pairs);
}

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
