/** Fine-tuning: data, AdamW, run folders, resume. tfjs is loaded when a run starts. */
import type {FinetuneReport} from './finetune.js';
import type {FinetuneOptions} from './settings/options.js';
import type {ModelConfig} from '../model/index.js';
import type {RunPlan} from './plan/run-plan.js';

export type {FinetuneReport} from './finetune.js';
export {readMetrics, type HeldOutMetrics, type MetricsLine, type StepMetrics} from './records/metrics.js';
export type {RunPlan} from './plan/run-plan.js';
export {plotRuns, type PlotOptions, type PlotReport} from './run/run-report.js';
export type {FinetuneOptions, RunControls, RunSettings} from './settings/options.js';

/** Fine-tunes a model on text; see `finetune` in finetune.ts. */
export async function finetune(options: FinetuneOptions): Promise<FinetuneReport> {
  const {finetune: run} = await import('./finetune.js');
  return run(options);
}

/** What a run would take; see `planFinetune` in finetune.ts. */
export async function planFinetune(options: FinetuneOptions): Promise<RunPlan> {
  const {planFinetune: plan} = await import('./finetune.js');
  return plan(options);
}

/** As `planFinetune`, of a model that need not be there yet. */
export async function planFinetuneOf(
  config: ModelConfig,
  options: Omit<FinetuneOptions, 'model'>,
): Promise<RunPlan> {
  const {planFinetuneOf: plan} = await import('./finetune.js');
  return plan(config, options);
}
