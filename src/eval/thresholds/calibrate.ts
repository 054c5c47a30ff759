import {UsageError} from '../../errors.js';
import {requireExits, type Calibration, type Model} from '../../model/index.js';
import type {ExitScorer} from '../../score/index.js';
import {parseBudget, pointBeforeDrop, pointWithin, traceCurve, type CurvePoint} from './curve.js';
import {
  exitsByToken,
  scoreAllExits,
  scoreEachThreshold,
  type DepthOptions,
  type TaskDepths,
} from '../scoring/depths.js';
import {measure} from './estimate.js';
import {checkOptions} from '../../options/index.js';
import {CALIBRATE_OPTIONS, CALIBRATION_ROWS} from '../options.js';
import {exitOptions, type TaskScoringOptions} from '../scoring/scoring-options.js';
import {openParts} from './parts.js';
import type {TextEncoder} from '../kinds/requests.js';
import {prepareTask, type PreparedTask, type TaskScores} from '../scoring/score-task.js';

/** Thresholds that a curve is traced with: where one pass gives all of them, and where each is a pass. */
const EVALUATIONS = {derived: 96, run: 16};

/**
 * Accuracy and cost by threshold over tasks.
 * @throws UsageError and InterruptedError as `scoreAllExits`
 */
export async function calibrationCurve(
  model: ExitScorer,
  prepared: readonly PreparedTask[],
  options: DepthOptions,
): Promise<CurvePoint[]> {
  const byToken = prepared.map((each) => exitsByToken(each, options));
  const depths: TaskDepths[] = [];
  for (const [i, each] of prepared.entries()) {
    depths.push(
      byToken[i] ? scoreEachThreshold(model, each, options) : await scoreAllExits(model, each, options),
    );
  }
  const tasks = prepared.map(({task}) => task);
  return traceCurve(
    async (threshold) => {
      const scores: TaskScores[] = [];
      for (const depth of depths) scores.push(await depth.at(threshold));
      return measure(tasks, scores);
    },
    byToken.includes(true) ? EVALUATIONS.run : EVALUATIONS.derived,
  );
}

export interface CalibrateOptions extends TaskScoringOptions {
  /** The largest fall in accuracy below full depth, as a share: 0.01 is one point. Either this or `budget`. */
  maxDrop?: number;
  /** Compute to meet, as `parseBudget` reads it. */
  budget?: string;
  /** Rows of each task's calibration split to use, from the first. */
  limit?: number;
}

/**
 * Chooses a threshold by tasks' calibration splits, and traces what every threshold gives there.
 * @throws UsageError for a budget that no threshold reaches, or a drop where no task asks questions; as
 *   `calibrationCurve` and `openParts`
 */
export async function calibrate(
  model: Pick<Model, 'config' | 'score' | 'scoreExits'>,
  tokenizer: TextEncoder,
  options: CalibrateOptions,
): Promise<Calibration> {
  const {maxDrop, budget, batchTokens, signal, limit = CALIBRATION_ROWS} = options;
  checkOptions(CALIBRATE_OPTIONS, options);
  if ((maxDrop === undefined) === (budget === undefined)) {
    throw new UsageError('give either a largest drop or a budget to calibrate for.');
  }
  const wanted = budget === undefined ? null : parseBudget(budget);
  const exits = exitOptions(options, model.config);
  requireExits(model.config, {...exits, threshold: 0.5}, 'calibration');
  const {calibration} = await openParts(options.tasks, {...options.taskData}, limit);
  const prepared = calibration.map((task) => prepareTask(task, tokenizer, model));
  const onProgress = (done: number, total: number) => options.onProgress?.(done, total, 'calibration');
  const points = await calibrationCurve(model, prepared, {...exits, batchTokens, signal, onProgress});
  const point = wanted ? pointWithin(points, wanted) : pointBeforeDrop(points, maxDrop!);
  return {
    tasks: calibration.map(({name, dataset, rows}) => ({
      name,
      dataset: dataset.path,
      split: dataset.split,
      questions: rows.length,
    })),
    target: budget === undefined ? {max_drop: maxDrop!} : {budget},
    exit_from_cycle: exits.exitFromCycle,
    exit_score: exits.exitScore ?? 'zero-attention',
    exit_granularity: exits.exitGranularity ?? 'sequence',
    threshold: point.threshold,
    points,
  };
}
