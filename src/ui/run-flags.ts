import {Flags, type Interfaces} from '@oclif/core';
import {realNumber, wholeNumber} from './plain-flags.js';

const helpGroup = 'RUN';

/** What a run does beside training: checkpoints, evaluations, how it ends. */
export const runFlags = {
  'save-every': wholeNumber({
    description: 'Steps between checkpoints; 100 unless given.',
    helpGroup,
    min: 1,
    max: 1e9,
  }),
  keep: wholeNumber({
    description: 'Newest checkpoints to keep, besides that of the best held-out loss; 1 unless given.',
    helpGroup,
    min: 1,
    max: 1e9,
  }),
  'eval-every': wholeNumber({
    description:
      'Steps between evaluations on held-out text, and one at the end; 100 unless given, 0 for none.',
    helpGroup,
    min: 0,
    max: 1e9,
  }),
  'eval-blocks': wholeNumber({
    description: 'Held-out sequences that an evaluation scores; 16 unless given.',
    helpGroup,
    min: 1,
    max: 1e6,
  }),
  'eval-thresholds': realNumber({
    description: 'Exit thresholds to evaluate at besides full depth, for ztt; 0.2,0.5,0.7 unless given.',
    helpGroup,
    helpValue: 'P,P',
    above: 0,
    max: 1,
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
  patience: wholeNumber({
    description:
      'Stop after so many evaluations without a better held-out loss, and finish with the best weights.',
    helpGroup,
    min: 1,
    max: 1e9,
  }),
  dtype: Flags.option({
    description:
      'What the model at the end is cast to; float32 unless given. Checkpoints and zero keys are always float32.',
    helpGroup,
    options: ['float32', 'float16', 'bfloat16'] as const,
  })(),
  tensorboard: Flags.boolean({
    description: "Write the metrics for TensorBoard as well, into the run folder's tensorboard/.",
    helpGroup,
  }),
};

/** The library's options of these flags. */
export const runOptions = (flags: Interfaces.InferredFlags<typeof runFlags>) => ({
  saveEvery: flags['save-every'],
  keep: flags.keep,
  evalEvery: flags['eval-every'],
  evalBlocks: flags['eval-blocks'],
  evalThresholds: flags['eval-thresholds'],
  patience: flags.patience,
  tensorboard: flags.tensorboard,
  dtype: flags.dtype,
});
