import {UsageError} from '../../errors.js';
import {requireExits, type ModelConfig} from '../../model/index.js';
import {calibrationCurve} from './calibrate.js';
import {parseBudget, pointWithin, type Budget, type CurvePoint} from './curve.js';
import type {ExitScorer} from '../../score/index.js';
import {CALIBRATION_ROWS} from '../options.js';
import type {ExitOptions, ThresholdOptions} from '../scoring/scoring-options.js';
import {openParts, openTasks} from './parts.js';
import type {TextEncoder} from '../kinds/requests.js';
import {prepareTask} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** A budget, and the point of the calibration curve that was chosen for it. */
export interface ChosenBudget {
  /** As it was written. */
  text: string;
  budget: Budget;
  point: CurvePoint;
}

/** What is to be measured, once the budgets' thresholds are chosen. */
export interface Plan {
  tasks: Task[];
  thresholds: number[];
  budgets: ChosenBudget[];
  /** What the budgets' thresholds were chosen on here; empty where the model brought its own, or there are none. */
  curve: readonly CurvePoint[];
}

/**
 * Opens the tasks, and chooses a threshold for each budget: by the curve in the model's config if it was made with
 * the same exits, else by one that is made here, on rows that are not measured on.
 * @throws UsageError for budgets that no threshold reaches, or that cannot be; as `openTasks` and `scoreAllExits`
 */
export async function planEvaluation(
  model: ExitScorer,
  tokenizer: TextEncoder,
  options: ThresholdOptions,
  exits: ExitOptions & {exitFromCycle: number},
): Promise<Plan> {
  const {limit, calibrationLimit = CALIBRATION_ROWS, batchTokens, signal} = options;
  const budgets = (options.budgets ?? []).map((text) => ({text, budget: parseBudget(text)}));
  const taskOptions = {...options.taskData, limit};
  if (budgets.length === 0) {
    const thresholds = [...new Set(options.thresholds ?? [1])];
    if (thresholds.length === 0) throw new UsageError('there are no thresholds; give at least one.');
    return {tasks: await openTasks(options.tasks, taskOptions), thresholds, budgets: [], curve: []};
  }
  requireExits(model.config, {...exits, threshold: 0.5}, `budget ${budgets[0]!.text}`);
  const stored = storedCurve(model.config, exits);
  let [tasks, curve]: [Task[], readonly CurvePoint[]] = [[], stored ?? []];
  if (stored) {
    options.onNote?.("thresholds for budgets are from the calibration in the model's config.json");
    tasks = await openTasks(options.tasks, taskOptions);
  } else {
    const parts = await openParts(options.tasks, taskOptions, calibrationLimit);
    tasks = parts.test;
    const prepared = parts.calibration.map((task) => prepareTask(task, tokenizer, model));
    const onProgress = (done: number, total: number) => options.onProgress?.(done, total, 'calibration');
    curve = await calibrationCurve(model, prepared, {...exits, batchTokens, signal, onProgress});
  }
  const hint = reachMore(model.config, exits.exitFromCycle);
  const chosen = budgets.map((each) => ({...each, point: pointWithin(curve, each.budget, hint)}));
  const thresholds = [...(options.thresholds ?? []), ...chosen.map(({point}) => point.threshold)];
  return {tasks, thresholds: [...new Set(thresholds)], budgets: chosen, curve: stored ? [] : curve};
}

/** The curve in a model's config, if it was made with these exits. */
function storedCurve({ztt}: ModelConfig, exits: ExitOptions): readonly CurvePoint[] | null {
  const made = ztt?.calibration;
  if (!made || exits.maxCycles !== undefined) return null;
  const same =
    made.exit_from_cycle === exits.exitFromCycle &&
    made.exit_score === (exits.exitScore ?? made.exit_score) &&
    made.exit_granularity === (exits.exitGranularity ?? 'sequence');
  return same ? made.points : null;
}

/** What else makes smaller budgets possible. */
function reachMore({arrangement}: ModelConfig, exitFromCycle: number): string {
  const earlier = exitFromCycle > 1 ? ' --exit-from-cycle 1 reaches lower,' : '';
  const fewer =
    arrangement.middleSources.length > 1 ? ' fewer middle layers cost less (convert --middle-layers),' : '';
  return `${earlier}${fewer} more cycles reach higher.`;
}

/**
 * The point of a model's own calibration that is within a budget, where tokens exit by themselves, as in generation.
 * @throws UsageError for a model without a calibration for tokens, or a budget that none of its thresholds reaches
 */
export function tokenBudget({ztt}: ModelConfig, text: string): CurvePoint {
  const budget = parseBudget(text);
  const made = ztt?.calibration;
  if (made?.exit_granularity !== 'token') {
    const has = made ? 'its calibration is for whole sequences' : 'it has no calibration';
    throw new UsageError(
      `budget ${text}: ${has}; make one for tokens with ztt calibrate MODEL --exit-granularity token.`,
    );
  }
  return pointWithin(made.points, budget);
}
