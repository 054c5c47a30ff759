/** Layouts, and options of them, side by side: converted, trained under one budget, scored alike. */
import type {Comparison} from './comparison.js';
import type {ComparisonPlan} from './plan.js';
import type {CompareOptions} from './settings.js';

export {AXIS_NAMES, parseAxis, type Axis} from './axes.js';
export type {TrainingBudget} from './budget.js';
export type {Difference} from './bootstrap.js';
export type {Comparison, Measured, Row} from './comparison.js';
export type {ComparisonPlan, PlannedEvaluation, PlannedRun} from './plan.js';
export type {CompareOptions} from './settings.js';
export type {TrainSettings, Variant} from './variants.js';

/** Does a comparison; see `compare` in compare.ts. */
export async function compare(options: CompareOptions): Promise<Comparison> {
  const {compare: run} = await import('./compare.js');
  return run(options);
}

/** What a comparison would take, and how fast training is here. */
export interface TimedPlan extends ComparisonPlan {
  /** FLOPs a second that training reaches here, all jobs together, about. */
  flopsPerSecond: number;
}

/** What a comparison would take; see `planComparison` in plan.ts. */
export async function planComparison(options: CompareOptions): Promise<TimedPlan> {
  const [{planComparison: plan}, {trainingSpeed}] = await Promise.all([
    import('./plan.js'),
    import('./speed.js'),
  ]);
  return {
    ...(await plan(options)),
    flopsPerSecond: await trainingSpeed({engine: options.engine, device: options.device}),
  };
}
