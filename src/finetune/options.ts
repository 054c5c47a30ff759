import {CAST_DTYPES} from '../checkpoint/options.js';
import {DATA_OPTIONS} from '../data/options.js';
import {THREADED_ENGINE_OPTIONS} from '../engine/options.js';
import {LORA_PER, MAX_LORA_RANK, THRESHOLD_RANGE} from '../model/options.js';
import {OUTPUT, type OptionTable} from '../options/index.js';

/** Groups of parameters that a run can train. */
export const TRAIN_PARTS = ['all', 'zero-tokens', 'norms', 'middle', 'lora'] as const;
export type TrainPart = (typeof TRAIN_PARTS)[number];

/**
 * Parts of a model whose learning rate may be another. The output is what follows the tail, without an embedding that
 * the LM head shares.
 */
export const LR_PARTS = ['embeddings', 'head', 'middle', 'tail', 'output', 'zero-keys', 'lora'] as const;
export type LrPart = (typeof LR_PARTS)[number];

/** A multiplier of the learning rate is at most this. */
export const MOST_LR_MULT = 1e6;

/** How the learning rate goes on after the warm-up. */
const LR_SCHEDULES = ['cosine', 'linear', 'constant'] as const;
export type LrSchedule = (typeof LR_SCHEDULES)[number];

/** How many cycles the steps of a run take: all, more and more, or a number drawn for each. */
const CYCLE_SCHEDULES = ['full', 'curriculum', 'random'] as const;
export type CycleSchedule = (typeof CYCLE_SCHEDULES)[number];

/** How a curriculum grows: slowly first and fast at its end, or along a line. */
const CURRICULUM_SHAPES = ['1-sqrt', 'linear'] as const;
export type CurriculumShape = (typeof CURRICULUM_SHAPES)[number];

/** What teaches zero attention about exits: what they cost a sequence, or each token, or nothing. */
const EXIT_OBJECTIVES = ['sequence', 'token', 'off'] as const;
export type ExitObjectiveKind = (typeof EXIT_OBJECTIVES)[number];

/** Sequences a micro-batch unless told, and what `auto` divides. */
export const BATCH = 8;

/** Tokens a sequence at most, unless told. */
export const SEQ_LEN = 256;

/** Unless told, one step in so many is warm-up, but at most so many steps. */
export const WARMUP = {oneIn: 10, atMost: 100} as const;

/** What the loss at exits counts where there is an exit objective. */
export const TAUGHT_EXIT_LOSS = 0.1;

/**
 * How far the zero keys could go in a run along each coordinate, in steps of AdamW's full size, and the size of the
 * largest such step. Keys that say something have norms of 30 and more: learning rates of weights never reach them.
 */
export const ZERO_KEYS_RATE = {reach: 40, most: 1} as const;

const TRAINING = 'TRAINING';

/** How much a run is trained. */
export const TRAINING_OPTIONS = {
  steps: {kind: 'whole', min: 1, max: 1e9, default: 200, help: 'Optimiser steps', group: TRAINING},
  'batch-size': {
    kind: 'whole',
    min: 1,
    max: 1e6,
    auto: true,
    default: BATCH,
    help: 'Sequences a micro-batch',
    more: `auto divides the sequences of a step, ${BATCH} times --accumulate, into micro-batches that fit the memory.`,
    group: TRAINING,
    axis: 'any layout',
  },
  'seq-len': {
    kind: 'whole',
    min: 2,
    max: 1e7,
    help: 'Tokens a sequence',
    otherwise: `what the model takes, at most ${SEQ_LEN}`,
    group: TRAINING,
    axis: 'any layout',
  },
  seed: {
    kind: 'whole',
    min: -(2 ** 31),
    max: 2 ** 31,
    default: 0,
    help: 'Seed of the order of the data and of dropout',
    group: TRAINING,
  },
} as const satisfies OptionTable;

const WHAT = 'WHAT TO TRAIN';

/** Which parameters are trained. */
export const TRAINED_OPTIONS = {
  train: {
    kind: 'text',
    default: 'all',
    help: `all, or some of ${TRAIN_PARTS.filter((part) => part !== 'all').join(', ')}, joined by +`,
    more: 'The rest stays as it is, bit for bit, and takes no gradient or moments.',
    placeholder: 'PARTS',
    group: WHAT,
    axis: 'any layout',
  },
} as const satisfies OptionTable;

/** The LoRA matrices that are trained. Where a model has some already, its own are the default. */
export const LORA_OPTIONS = {
  'lora-rank': {
    kind: 'whole',
    min: 1,
    max: MAX_LORA_RANK,
    default: 8,
    needs: {train: 'lora'},
    help: 'Rank of the LoRA matrices',
    group: WHAT,
    axis: 'any layout',
  },
  'lora-alpha': {
    kind: 'real',
    above: 0,
    needs: {train: 'lora'},
    help: 'Their product is multiplied by alpha / rank',
    otherwise: 'twice the rank',
    group: WHAT,
    axis: 'any layout',
  },
  'lora-per': {
    kind: 'choice',
    choices: LORA_PER,
    default: 'shared',
    needs: {train: 'lora'},
    help: "Whether a layer's cycles share its matrices, which can then be merged, or have their own",
    group: WHAT,
    axis: 'cycles',
  },
  'lora-targets': {
    kind: 'text',
    list: 'commas',
    default: ['all'],
    needs: {train: 'lora'},
    help: "The blocks' linear maps that have matrices: all, attention, mlp, or names",
    placeholder: 'NAME,NAME',
    group: WHAT,
  },
} as const satisfies OptionTable;

const DISTILLATION = 'DISTILLATION';

/** A model that the run's model is drawn to. */
export const DISTILLATION_OPTIONS = {
  teacher: {
    kind: 'text',
    help: 'A model of the same vocabulary, often the source: the loss is then (1 - X) cross-entropy + X KL(teacher || model)',
    placeholder: 'SOURCE',
    group: DISTILLATION,
  },
  'distill-weight': {
    kind: 'real',
    above: 0,
    max: 1,
    default: 0.5,
    needs: {teacher: true},
    help: 'X',
    group: DISTILLATION,
  },
  'distill-temperature': {
    kind: 'real',
    above: 0,
    max: 100,
    default: 1,
    needs: {teacher: true},
    help: 'T, which softens both distributions; the KL then counts T^2 times',
    placeholder: 'T',
    group: DISTILLATION,
  },
} as const satisfies OptionTable;

const EXITS = 'CYCLES AND EXITS';

/** How a run treats cycles, exits and parts of the model. */
export const RECIPE_OPTIONS = {
  'cycle-schedule': {
    kind: 'choice',
    choices: CYCLE_SCHEDULES,
    default: 'full',
    help: 'Cycles of a step: all, more and more, or a number drawn for each',
    group: EXITS,
    axis: 'cycles',
  },
  'curriculum-shape': {
    kind: 'choice',
    choices: CURRICULUM_SHAPES,
    default: '1-sqrt',
    help: 'How a curriculum grows: slowly first, or along a line',
    group: EXITS,
    axis: 'cycles',
  },
  'curriculum-share': {
    kind: 'real',
    above: 0,
    max: 1,
    default: 0.5,
    help: 'Share of the steps over which a curriculum grows',
    group: EXITS,
    axis: 'cycles',
  },
  'exit-loss-weight': {
    kind: 'real',
    from: 0,
    max: 1000,
    help: "What the loss after an exit at each cycle's end counts",
    otherwise: `${TAUGHT_EXIT_LOSS} with an exit objective, else 0`,
    group: EXITS,
    axis: 'cycles',
  },
  'exit-objective': {
    kind: 'choice',
    choices: EXIT_OBJECTIVES,
    renamed: {row: 'sequence'},
    help: 'Draw zero attention to 1 where an exit would cost a sequence, or a token, at most the margin, and to 0 elsewhere',
    otherwise: 'token for ztt of several cycles, else off',
    group: EXITS,
    axis: 'zero tokens',
  },
  'exit-objective-weight': {
    kind: 'real',
    above: 0,
    max: 1000,
    default: 1,
    help: 'What that counts in the loss',
    group: EXITS,
    axis: 'zero tokens',
  },
  'exit-margin': {
    kind: 'real',
    from: -100,
    max: 100,
    default: 0.05,
    help: 'What an exit may cost, in nats a token',
    group: EXITS,
    axis: 'zero tokens',
  },
  'exit-objective-warmup': {
    kind: 'real',
    from: 0,
    max: 1,
    default: 0,
    help: "Share of the steps over which the objective's weight grows from 0",
    group: EXITS,
    axis: 'zero tokens',
  },
  'mixed-depths': {
    kind: 'real',
    from: 0,
    max: 1,
    default: 0,
    help: 'Share of the rows of which some tokens leave the cycles early, as exits by token let them',
    more: 'Exits by token then cost next to nothing beyond what they leave out; 0.5 is a good share.',
    group: EXITS,
    axis: 'cycles',
  },
  'exits-from': {
    kind: 'real',
    from: 0,
    below: 1,
    default: 0,
    help: 'Share of the steps that train full depth alone, before exits are trained for',
    group: EXITS,
    axis: 'cycles',
  },
  'lr-mult': {
    kind: 'text',
    list: 'commas',
    help: `Multiply the learning rate of a part: ${LR_PARTS.join(', ')}; several go with a comma`,
    more: `With an exit objective and unless given, that of zero-keys makes their learning rate ${ZERO_KEYS_RATE.most}, or ${ZERO_KEYS_RATE.reach} over the steps if those are more.`,
    placeholder: 'PART=X',
    group: EXITS,
    axis: 'any layout',
  },
} as const satisfies OptionTable;

const OPTIMISER = 'OPTIMISER';

/** How a step updates the weights; AdamW's defaults are those of torch.optim.AdamW. */
export const OPTIMIZER_OPTIONS = {
  lr: {
    kind: 'real',
    above: 0,
    max: 1,
    default: 1e-4,
    help: 'Peak learning rate',
    group: OPTIMISER,
    axis: 'any layout',
  },
  'lr-schedule': {
    kind: 'choice',
    choices: LR_SCHEDULES,
    default: 'cosine',
    help: 'After the warm-up: down to a tenth of the peak, or as it is',
    group: OPTIMISER,
    axis: 'any layout',
  },
  warmup: {
    kind: 'whole',
    min: 0,
    max: 1e9,
    help: 'Steps of linear warm-up',
    otherwise: `${100 / WARMUP.oneIn} % of the steps, at most ${WARMUP.atMost}`,
    group: OPTIMISER,
    axis: 'any layout',
  },
  'weight-decay': {
    kind: 'real',
    from: 0,
    max: 1,
    default: 0.01,
    help: "AdamW's decay of matrices (not norms, biases, embeddings, zero keys)",
    group: OPTIMISER,
    axis: 'any layout',
  },
  beta1: {
    kind: 'real',
    from: 0,
    below: 1,
    default: 0.9,
    help: "Decay of AdamW's mean of gradients",
    group: OPTIMISER,
  },
  beta2: {
    kind: 'real',
    from: 0,
    below: 1,
    default: 0.999,
    help: "Decay of AdamW's mean of squares",
    group: OPTIMISER,
  },
  epsilon: {
    kind: 'real',
    above: 0,
    max: 1,
    default: 1e-8,
    help: "AdamW's guard against division by zero",
    group: OPTIMISER,
  },
  'clip-norm': {
    kind: 'real',
    from: 0,
    default: 1,
    help: 'Gradients are scaled down to this global norm, 0 for never',
    group: OPTIMISER,
    axis: 'any layout',
  },
  accumulate: {
    kind: 'whole',
    min: 1,
    max: 1e6,
    default: 1,
    help: 'Micro-batches a step: the same update as one batch of all, in the memory of one',
    group: OPTIMISER,
    axis: 'any layout',
  },
} as const satisfies OptionTable;

const RUN = 'RUN';

/** What a run does beside training; it may differ when a run is resumed. */
export const CONTROL_OPTIONS = {
  'save-every': {
    kind: 'whole',
    min: 1,
    max: 1e9,
    default: 100,
    help: 'Steps between checkpoints',
    group: RUN,
  },
  keep: {
    kind: 'whole',
    min: 1,
    max: 1e9,
    default: 1,
    help: 'Newest checkpoints to keep, besides that of the best held-out loss',
    group: RUN,
  },
  'eval-every': {
    kind: 'whole',
    min: 0,
    max: 1e9,
    default: 100,
    help: 'Steps between evaluations on held-out text, and one at the end',
    more: '0 evaluates nothing.',
    group: RUN,
  },
  'eval-blocks': {
    kind: 'whole',
    min: 1,
    max: 1e6,
    default: 16,
    help: 'Held-out sequences that an evaluation scores',
    group: RUN,
  },
  'eval-thresholds': {
    kind: 'real',
    ...THRESHOLD_RANGE,
    list: 'commas',
    default: [0.2, 0.5, 0.7],
    help: 'Exit thresholds to evaluate at besides full depth, for ztt',
    placeholder: 'P,P',
    group: RUN,
  },
  patience: {
    kind: 'whole',
    min: 1,
    max: 1e9,
    help: 'Stop after so many evaluations without a better held-out loss, and finish with the best weights',
    group: RUN,
  },
  'fit-exits': {
    kind: 'switch',
    default: false,
    help: 'Fit the zero keys of the exits when the last step is done, so that zero attention tells where an exit pays',
    more: 'See `ztt calibrate --fit-exits`, which does it for a finished model.',
    group: RUN,
  },
  tensorboard: {
    kind: 'switch',
    default: false,
    help: "Write the metrics for TensorBoard as well, into the run folder's tensorboard/",
    group: RUN,
  },
  dtype: {
    kind: 'choice',
    choices: CAST_DTYPES,
    default: 'float32',
    help: 'What the model at the end is cast to',
    more: 'Checkpoints and zero keys are always float32.',
    group: RUN,
  },
} as const satisfies OptionTable;

/** Where a run lies, and whether it goes on. */
export const FOLDER_OPTIONS = {
  output: {...OUTPUT, help: 'The run folder; it must not exist, or be empty, unless --resume'},
  resume: {
    kind: 'switch',
    help: 'Go on from the newest checkpoint in the run folder, with the flags of its config.yaml unless given',
  },
} as const satisfies OptionTable;

/**
 * All that decides what a run does, by the names of the flags: what config.yaml holds, and what another trainer must
 * know, or refuse by name.
 */
export const RUN_OPTIONS = {
  ...DATA_OPTIONS,
  ...TRAINING_OPTIONS,
  'checkpoint-cycles': {
    kind: 'switch',
    help: 'Keep the activations of one cycle at a time: less memory, one more forward pass a step',
    group: TRAINING,
  },
  ...TRAINED_OPTIONS,
  ...LORA_OPTIONS,
  ...DISTILLATION_OPTIONS,
  ...RECIPE_OPTIONS,
  ...OPTIMIZER_OPTIONS,
  ...CONTROL_OPTIONS,
  ...THREADED_ENGINE_OPTIONS,
} as const satisfies OptionTable;

/** What drawing runs is told. */
export const PLOT_OPTIONS = {
  output: {
    ...OUTPUT,
    help: 'The .html file to write; one that is there is replaced',
    placeholder: 'FILE.html',
  },
} as const satisfies OptionTable;
