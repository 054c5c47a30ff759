import {requireReal, UsageError} from '../../errors.js';
import {hasZeroTokens, type Arrangement} from '../../model/index.js';
import {CURRICULUM_SHAPES, CYCLE_SCHEDULES, type CurriculumShape, type CycleSchedule} from './cycles.js';
import {MOST_LR_MULT, parseLrMult} from './lr-mult.js';

/** What teaches zero attention about exits: what they cost a row, or each token (see `ExitUnit`), or nothing. */
const EXIT_OBJECTIVES = ['row', 'token', 'off'] as const;
export type ExitObjectiveKind = (typeof EXIT_OBJECTIVES)[number];

/** How a run treats cycles, exits and parts of the model. */
export interface RecipeSettings {
  cycleSchedule: CycleSchedule;
  curriculumShape: CurriculumShape;
  /** The share of the steps over which a curriculum grows. */
  curriculumShare: number;
  /** What the loss at each cycle's exit counts beside that at full depth; 0 for none. */
  exitLossWeight: number;
  exitObjective: ExitObjectiveKind;
  /** What the objective counts in the loss. */
  exitObjectiveWeight: number;
  /** What an exit may cost where zero attention is drawn to 1, in nats a token. */
  exitMargin: number;
  /** The share of the steps over which the objective's weight grows from 0, along a line. */
  exitObjectiveWarmup: number;
  /** Multipliers of the learning rate, each as `PART=X` (see `parseLrMult`). */
  lrMult: readonly string[];
}

/** The model, as far as a recipe's defaults depend on it. */
export type RecipeModel = Pick<Arrangement, 'layout' | 'cycles'>;

/**
 * How far the zero keys could go in a run along each coordinate, in steps of AdamW's full size, and the size of the
 * largest such step. Keys that say something have norms of 30 and more: learning rates of weights never reach them.
 */
const ZERO_KEYS_REACH = 40;
const ZERO_KEYS_LR = 1;

/** The run, as far as a recipe's defaults depend on it. */
export interface RecipeRun {
  steps: number;
  /** The peak learning rate. */
  lr: number;
}

/**
 * The recipe, with defaults filled in. Models with zero tokens and several cycles are taught what exits cost (see
 * `ExitObjective`), with the loss at each cycle's exit, and their keys' own learning rate is min(1, 40 / steps); others
 * are trained on the next token alone. All run all cycles.
 * @throws UsageError naming the option and what it may be, or what the model lacks for it
 */
export function recipeSettings(
  options: Partial<RecipeSettings>,
  model: RecipeModel,
  run: RecipeRun,
): RecipeSettings {
  const exits = hasZeroTokens(model.layout) && model.cycles > 1;
  const exitObjective = options.exitObjective ?? (exits ? 'token' : 'off');
  const taught = exitObjective !== 'off';
  const settings = {
    cycleSchedule: options.cycleSchedule ?? 'full',
    curriculumShape: options.curriculumShape ?? '1-sqrt',
    curriculumShare: options.curriculumShare ?? 0.5,
    exitLossWeight: options.exitLossWeight ?? (taught ? 0.1 : 0),
    exitObjective,
    exitObjectiveWeight: options.exitObjectiveWeight ?? 1,
    exitMargin: options.exitMargin ?? 0.05,
    exitObjectiveWarmup: options.exitObjectiveWarmup ?? 0,
    lrMult: lrMultOf(options.lrMult ?? [], taught ? zeroKeysMultiplier(run) : null),
  };
  requireOneOf('cycle-schedule', settings.cycleSchedule, CYCLE_SCHEDULES);
  requireOneOf('curriculum-shape', settings.curriculumShape, CURRICULUM_SHAPES);
  requireOneOf('exit-objective', exitObjective, EXIT_OBJECTIVES);
  const {curriculumShare, exitLossWeight, exitObjectiveWeight, exitMargin, exitObjectiveWarmup} = settings;
  requireReal(
    'curriculum-share',
    curriculumShare,
    curriculumShare > 0 && curriculumShare <= 1,
    'above 0 and at most 1',
  );
  requireReal(
    'exit-loss-weight',
    exitLossWeight,
    exitLossWeight >= 0 && exitLossWeight <= 1e3,
    'from 0 to 1000',
  );
  requireReal(
    'exit-objective-weight',
    exitObjectiveWeight,
    exitObjectiveWeight > 0 && exitObjectiveWeight <= 1e3,
    'above 0 and at most 1000',
  );
  requireReal('exit-margin', exitMargin, Math.abs(exitMargin) <= 100, 'from -100 to 100');
  requireReal(
    'exit-objective-warmup',
    exitObjectiveWarmup,
    exitObjectiveWarmup >= 0 && exitObjectiveWarmup <= 1,
    'from 0 to 1',
  );
  if (taught && !exits) {
    throw new UsageError(
      `exit-objective ${exitObjective} needs zero tokens and several cycles: ${lacking(model)}.`,
    );
  }
  if (model.cycles === 1 && settings.cycleSchedule !== 'full') {
    throw new UsageError(`cycle-schedule ${settings.cycleSchedule} needs several cycles: ${lacking(model)}.`);
  }
  if (model.cycles === 1 && exitLossWeight > 0) {
    throw new UsageError(`exit-loss-weight ${exitLossWeight} needs several cycles: ${lacking(model)}.`);
  }
  return settings;
}

/** The multipliers given, and that of the zero keys if it is not among them. */
function lrMultOf(given: readonly string[], ofKeys: number | null): readonly string[] {
  const parts = parseLrMult(given);
  return ofKeys === null || parts.has('zero-keys') ? given : [...given, `zero-keys=${ofKeys}`];
}

/** Rounded, so that it can be read. */
const zeroKeysMultiplier = ({steps, lr}: RecipeRun): number =>
  Math.min(MOST_LR_MULT, Number((Math.min(ZERO_KEYS_LR, ZERO_KEYS_REACH / steps) / lr).toPrecision(3)));

const lacking = ({layout, cycles}: RecipeModel): string =>
  `the model is ${layout} with ${cycles} ${cycles === 1 ? 'cycle' : 'cycles'}`;

function requireOneOf(option: string, value: string, known: readonly string[]): void {
  if (!known.includes(value)) {
    throw new UsageError(`${option} is ${JSON.stringify(value)}; it must be one of ${known.join(', ')}.`);
  }
}
