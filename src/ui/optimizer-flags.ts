import {Flags, type Interfaces} from '@oclif/core';
import {realNumber, wholeNumber} from './plain-flags.js';

const helpGroup = 'OPTIMISER';

/** How a step of `ztt finetune` updates the weights. */
export const optimizerFlags = {
  lr: realNumber({description: 'Peak learning rate; 1e-4 unless given.', helpGroup, above: 0, max: 1}),
  'lr-schedule': Flags.option({options: ['cosine', 'linear', 'constant'] as const})({
    description: 'After the warm-up: down to a tenth of the peak, or as it is; cosine unless given.',
    helpGroup,
  }),
  warmup: wholeNumber({
    description: 'Steps of linear warm-up; a tenth of the steps, at most 100, unless given.',
    helpGroup,
    min: 0,
    max: 1e9,
  }),
  accumulate: wholeNumber({
    description:
      'Micro-batches a step: the same update as one batch of all, in the memory of one; 1 unless given.',
    helpGroup,
    min: 1,
    max: 1e6,
  }),
  'weight-decay': realNumber({
    description: "AdamW's decay of matrices (not norms, biases, embeddings, zero keys); 0.01 unless given.",
    helpGroup,
    from: 0,
    max: 1,
  }),
  beta1: realNumber({
    description: "Decay of AdamW's mean of gradients; 0.9 unless given.",
    helpGroup,
    from: 0,
    below: 1,
  }),
  beta2: realNumber({
    description: "Decay of AdamW's mean of squares; 0.999 unless given.",
    helpGroup,
    from: 0,
    below: 1,
  }),
  epsilon: realNumber({
    description: "AdamW's guard against division by zero; 1e-8 unless given.",
    helpGroup,
    above: 0,
    max: 1,
  }),
  'clip-norm': realNumber({
    description: 'Gradients are scaled down to this global norm, 0 for never; 1 unless given.',
    helpGroup,
    from: 0,
  }),
};

/** The flags, by the library's names. */
export const optimizerOptions = (flags: Interfaces.InferredFlags<typeof optimizerFlags>) => ({
  lr: flags.lr,
  lrSchedule: flags['lr-schedule'],
  warmup: flags.warmup,
  accumulate: flags.accumulate,
  weightDecay: flags['weight-decay'],
  beta1: flags.beta1,
  beta2: flags.beta2,
  epsilon: flags.epsilon,
  clipNorm: flags['clip-norm'],
});
