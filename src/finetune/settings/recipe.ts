import {UsageError} from '../../errors.js';
import {hasZeroTokens, type Arrangement} from '../../model/index.js';
import {checkOptions, withDefaults} from '../../options/index.js';
import {
  MOST_LR_MULT,
  RECIPE_OPTIONS,
  TAUGHT_EXIT_LOSS,
  ZERO_KEYS_RATE,
  type CurriculumShape,
  type CycleSchedule,
  type ExitObjectiveKind,
} from '../options.js';
import {parseLrMult} from './lr-mult.js';

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
  /** The share of the rows of which some tokens leave the cycles early (see `rowExits`); 0 for none. */
  mixedDepths: number;
  /** The share of the steps that train full depth alone: no exit is trained for before. */
  exitsFrom: number;
  /** Multipliers of the learning rate, each as `PART=X` (see `parseLrMult`). */
  lrMult: readonly string[];
}

/** The model, as far as a recipe's defaults depend on it. */
export type RecipeModel = Pick<Arrangement, 'layout' | 'cycles'>;

/** The run, as far as a recipe's defaults depend on it. */
export interface RecipeRun {
  steps: number;
  /** The peak learning rate. */
  lr: number;
}

/**
 * The recipe, with defaults filled in. Models with zero tokens and several cycles are taught what exits cost (see
 * `ExitObjective`), with the loss at each cycle's exit and a learning rate of their keys' own; others are trained on the
 * next token alone.
 * @throws UsageError naming the option and what it may be, or what the model lacks for it
 */
export function recipeSettings(
  options: Partial<RecipeSettings>,
  model: RecipeModel,
  run: RecipeRun,
): RecipeSettings {
  checkOptions(RECIPE_OPTIONS, options);
  const exits = hasZeroTokens(model.layout) && model.cycles > 1;
  const exitObjective = options.exitObjective ?? (exits ? 'token' : 'off');
  const taught = exitObjective !== 'off';
  const lrMult = lrMultOf(options.lrMult ?? [], taught ? zeroKeysMultiplier(run) : null);
  const exitLossWeight = options.exitLossWeight ?? (taught ? TAUGHT_EXIT_LOSS : 0);
  const settings = withDefaults(
    RECIPE_OPTIONS,
    {...options, lrMult},
    {exitLossWeight, exitObjective, lrMult},
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
  if (model.cycles === 1 && settings.mixedDepths > 0) {
    throw new UsageError(`mixed-depths ${settings.mixedDepths} needs several cycles: ${lacking(model)}.`);
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
  Math.min(
    MOST_LR_MULT,
    Number((Math.min(ZERO_KEYS_RATE.most, ZERO_KEYS_RATE.reach / steps) / lr).toPrecision(3)),
  );

const lacking = ({layout, cycles}: RecipeModel): string =>
  `the model is ${layout} with ${cycles} ${cycles === 1 ? 'cycle' : 'cycles'}`;
