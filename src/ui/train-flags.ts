import {Flags, type Interfaces} from '@oclif/core';
import {realNumber, someText, wholeNumber} from './plain-flags.js';

const helpGroup = 'WHAT TO TRAIN';

/** Which parameters `ztt finetune` trains. */
export const trainFlags = {
  train: someText({
    description:
      'all, or some of zero-tokens, norms, middle, lora, joined by +; the rest stays as it is, bit for bit, and takes no gradient or moments. All unless given.',
    helpGroup,
    helpValue: 'PARTS',
  }),
  'lora-rank': wholeNumber({
    description: 'Rank of the LoRA matrices; 8 unless given.',
    helpGroup,
    min: 1,
    max: 4096,
  }),
  'lora-alpha': realNumber({
    description: 'Their product is multiplied by alpha / rank; twice the rank unless given.',
    helpGroup,
    above: 0,
  }),
  'lora-per': Flags.option({options: ['shared', 'cycle'] as const})({
    description:
      "Whether a layer's cycles share its matrices, which can then be merged, or have their own; shared unless given.",
    helpGroup,
  }),
  'lora-targets': someText({
    description:
      "The blocks' linear maps that have matrices: all, attention, mlp, or names; all unless given.",
    helpGroup,
    helpValue: 'NAME,NAME',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
};

const DISTILLATION = 'DISTILLATION';

/** A model that `ztt finetune` draws its model to. */
export const distillFlags = {
  teacher: someText({
    description:
      'A model of the same vocabulary, often the source: the loss is then (1 - X) cross-entropy + X KL(teacher || model).',
    helpGroup: DISTILLATION,
    helpValue: 'SOURCE',
  }),
  'distill-weight': realNumber({
    description: 'X; 0.5 unless given.',
    helpGroup: DISTILLATION,
    above: 0,
    max: 1,
  }),
  'distill-temperature': realNumber({
    description: 'T, which softens both distributions; the KL then counts T^2 times. 1 unless given.',
    helpGroup: DISTILLATION,
    helpValue: 'T',
    above: 0,
    max: 100,
  }),
};

/** The flags, by the library's names. */
export const trainOptions = (flags: Interfaces.InferredFlags<typeof trainFlags>) => ({
  train: flags.train,
  loraRank: flags['lora-rank'],
  loraAlpha: flags['lora-alpha'],
  loraPer: flags['lora-per'],
  loraTargets: flags['lora-targets'],
});
