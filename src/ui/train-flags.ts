import type {Interfaces} from '@oclif/core';
import {someText} from './flags.js';

const helpGroup = 'WHAT TO TRAIN';

/** Which parameters `ztt finetune` trains. */
export const trainFlags = {
  train: someText({
    description:
      'all, or some of zero-tokens, norms, middle, joined by +; the rest stays as it is, bit for bit, and takes no gradient or moments. All unless given.',
    helpGroup,
    helpValue: 'PARTS',
  }),
};

/** The flags, by the library's names. */
export const trainOptions = (flags: Interfaces.InferredFlags<typeof trainFlags>) => ({
  train: flags.train,
});
