import {Flags, type Interfaces} from '@oclif/core';
import {realNumber, someText} from './plain-flags.js';

const helpGroup = 'CYCLES AND EXITS';

/** How `ztt finetune` treats cycles, exits and parts of the model. */
export const recipeFlags = {
  'cycle-schedule': Flags.option({options: ['full', 'curriculum', 'random'] as const})({
    description: 'Cycles of a step: all, more and more, or a number drawn for each; full unless given.',
    helpGroup,
  }),
  'curriculum-shape': Flags.option({options: ['1-sqrt', 'linear'] as const})({
    description: 'How a curriculum grows: slowly first, or along a line; 1-sqrt unless given.',
    helpGroup,
  }),
  'curriculum-share': realNumber({
    description: 'Share of the steps over which a curriculum grows; 0.5 unless given.',
    helpGroup,
    above: 0,
    max: 1,
  }),
  'exit-loss-weight': realNumber({
    description:
      "What the loss after an exit at each cycle's end counts; 0.1 with an exit objective, else 0, unless given.",
    helpGroup,
    from: 0,
    max: 1000,
  }),
  'exit-objective': Flags.option({options: ['row', 'token', 'off'] as const})({
    description:
      'Draw zero attention to 1 where an exit would cost a sequence, or a token, at most the margin, and to 0 elsewhere; token for ztt unless given.',
    helpGroup,
  }),
  'exit-objective-weight': realNumber({
    description: 'What that counts in the loss; 1 unless given.',
    helpGroup,
    above: 0,
    max: 1000,
  }),
  'exit-margin': realNumber({
    description: 'What an exit may cost, in nats a token; 0.05 unless given.',
    helpGroup,
    from: -100,
    max: 100,
  }),
  'exit-objective-warmup': realNumber({
    description: "Share of the steps over which the objective's weight grows from 0; 0 unless given.",
    helpGroup,
    from: 0,
    max: 1,
  }),
  'lr-mult': someText({
    description:
      'Multiply the learning rate of a part: embeddings, head, middle, tail, output, zero-keys, lora; several go with a comma. With an exit objective and unless given, that of zero-keys makes their learning rate 1, or 40 over the steps if those are more.',
    helpGroup,
    helpValue: 'PART=X',
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
};

/** The flags, by the library's names. */
export const recipeOptions = (flags: Interfaces.InferredFlags<typeof recipeFlags>) => ({
  cycleSchedule: flags['cycle-schedule'],
  curriculumShape: flags['curriculum-shape'],
  curriculumShare: flags['curriculum-share'],
  exitLossWeight: flags['exit-loss-weight'],
  exitObjective: flags['exit-objective'],
  exitObjectiveWeight: flags['exit-objective-weight'],
  exitMargin: flags['exit-margin'],
  exitObjectiveWarmup: flags['exit-objective-warmup'],
  lrMult: flags['lr-mult'],
});
