import {UsageError} from '../errors.js';
import {hasZeroTokens, type Model, type ModelConfig} from '../model/index.js';
import {addCosts, summarise, type Cost} from './cost.js';
import type {Metric} from './metrics.js';
import {buildReport, taskResult} from './report.js';
import type {TextEncoder} from './requests.js';
import type {EvalReport, ThresholdReport} from './results.js';
import {prepareTask, scoreTask, taskMetrics, type PreparedTask} from './score-task.js';
import {scoreRows} from './scorer.js';
import {openTask, type Task, type TaskOptions} from './tasks.js';

/** What evaluation needs of a model. */
export type Evaluated = Pick<Model, 'config' | 'engine' | 'score'>;

export interface EvalOptions {
  /** The harness's tasks by name, and files by path; see `openTask`. */
  tasks: readonly string[];
  /** Where the datasets of named tasks come from. */
  taskData?: Pick<TaskOptions, 'dataFolder' | 'openDataset'>;
  /** Early-exit thresholds, each above 0; 1 is full depth. Default [1]. */
  thresholds?: readonly number[];
  /** Rows of each task to use, from the first. Default all. */
  limit?: number;
  /** The first cycle (1-based) in which the exit is checked. Default: the checkpoint's, usually 2. */
  exitFromCycle?: number;
  /** Tokens in a batch at most. Default 2048. */
  batchTokens?: number;
  /** Resamples for the error of `perplexity`; 0 leaves every standard error out. Default 1000. */
  bootstrapIterations?: number;
  /** How the report names the model. Default `model`. */
  modelName?: string;
  /** Called with the rows done and all rows, over all tasks and thresholds, and the task; a choice or a window is a row. */
  onProgress?: (done: number, total: number, task: string) => void;
  /** Stops before the next batch. */
  signal?: AbortSignal;
}

const BOOTSTRAP_ITERATIONS = 1000;

/**
 * Evaluates a model as lm-evaluation-harness 0.4.13 does, with no examples in the prompt, once a threshold.
 * The report is in the harness's shape; its `results` are those of the highest threshold, and
 * `ztt.thresholds` has the results and the cost of each.
 * @throws UsageError for options that cannot be, among them a threshold that could change nothing; FileError
 *   and FormatError for tasks, as `openTask` and `prepareTask`; InterruptedError once the signal aborts
 */
export async function evaluate(
  model: Evaluated,
  tokenizer: TextEncoder,
  options: EvalOptions,
): Promise<EvalReport> {
  const date = new Date();
  const began = performance.now();
  const {batchTokens, limit, modelName = 'model', signal} = options;
  const exitFromCycle = options.exitFromCycle ?? model.config.ztt?.exit_from_cycle ?? 2;
  const bootstrapIterations = options.bootstrapIterations ?? BOOTSTRAP_ITERATIONS;
  if (!(Number.isInteger(bootstrapIterations) && bootstrapIterations >= 0)) {
    throw new UsageError(`bootstrapIterations is ${bootstrapIterations}; it must be a whole number from 0.`);
  }
  const thresholds = [...new Set(options.thresholds ?? [1])];
  checkThresholds(thresholds, exitFromCycle, model.config);
  const tasks = await openTasks(options.tasks, {...options.taskData, limit});
  const prepared = tasks.map((task) => prepareTask(task, tokenizer, model));
  await warmUp(model, prepared);

  const progress = progressOver(prepared, thresholds.length, options.onProgress);
  const reports: ThresholdReport[] = [];
  let metrics: Metric[][] = [];
  for (const threshold of thresholds) {
    const costs: Cost[] = [];
    metrics = [];
    for (const each of prepared) {
      const onProgress = progress(each.task.name);
      const scoring = {threshold, exitFromCycle, batchTokens, onProgress, signal};
      const {outcomes, cost} = await scoreTask(model, each, scoring);
      metrics.push(taskMetrics(each.task, outcomes, bootstrapIterations));
      costs.push(cost);
    }
    reports.push({
      threshold,
      results: Object.fromEntries(tasks.map((task, i) => [task.name, taskResult(task, metrics[i]!)])),
      ...summarise(addCosts(costs)),
      tasks: Object.fromEntries(tasks.map((task, i) => [task.name, summarise(costs[i]!)])),
    });
  }
  const seconds = (performance.now() - began) / 1000;
  const described = tasks.map((task, i) => ({task, metrics: metrics[i]!}));
  const context = {modelName, limit, batchTokens, bootstrapIterations, exitFromCycle, date, seconds};
  return buildReport(model, described, reports, context);
}

function checkThresholds(
  thresholds: readonly number[],
  exitFromCycle: number,
  {arrangement}: ModelConfig,
): void {
  if (thresholds.length === 0) throw new UsageError('there are no thresholds; give at least one.');
  for (const threshold of thresholds) {
    if (!(threshold > 0)) {
      throw new UsageError(`threshold is ${threshold}; it must be above 0, and 1 never exits.`);
    }
    if (threshold >= 1) continue;
    if (!hasZeroTokens(arrangement.layout)) {
      throw new UsageError(
        `threshold ${threshold} cannot be: layout ${arrangement.layout} has no zero tokens to exit by; leave --threshold out, or convert to ztt.`,
      );
    }
    if (exitFromCycle > arrangement.cycles) {
      throw new UsageError(
        `threshold ${threshold} would change nothing: exits are checked from cycle ${exitFromCycle} on, and this model has ${arrangement.cycles}.`,
      );
    }
  }
}

async function openTasks(specs: readonly string[], options: TaskOptions): Promise<Task[]> {
  if (specs.length === 0) throw new UsageError('there are no tasks; give at least one.');
  const tasks: Task[] = [];
  for (const spec of specs) {
    const task = await openTask(spec, options);
    const twin = tasks.find(({name}) => name === task.name);
    if (twin) {
      throw new UsageError(
        `${twin.dataset.files.join(', ')} and ${spec} would both be ${task.name} in the results; rename one, or evaluate them apart.`,
      );
    }
    tasks.push(task);
  }
  return tasks;
}

/** The engine's first use of its kernels is slower, and belongs to no threshold. */
async function warmUp(model: Evaluated, prepared: readonly PreparedTask[]): Promise<void> {
  const row = prepared[0]?.requests.flat()[0];
  if (row) await scoreRows(model, [row], {threshold: 1});
}

/** For each task and threshold in turn, a callback that adds up to the whole. */
function progressOver(
  prepared: readonly PreparedTask[],
  thresholds: number,
  onProgress: EvalOptions['onProgress'],
): (task: string) => (done: number) => void {
  const total = thresholds * prepared.reduce((sum, {requests}) => sum + requests.flat().length, 0);
  let before = 0;
  return (task) => {
    const base = before;
    return (done) => {
      before = base + done;
      onProgress?.(before, total, task);
    };
  };
}
