import {requireWhole} from '../errors.js';
import {exitRule, requireExits, type Model} from '../model/index.js';
import {checkOptions} from '../options/index.js';
import {measureTextExits, scoreGroups, type ExitScorer, type TextExits} from '../score/index.js';
import {kindOf} from './kinds/kinds.js';
import {oracleCeiling} from './results/ceiling.js';
import {planEvaluation} from './thresholds/choose.js';
import {
  exitsByToken,
  scoreAllExits,
  scoreEachThreshold,
  type DepthOptions,
  type TaskDepths,
} from './scoring/depths.js';
import type {EvalOptions} from './eval-options.js';
import {EVAL_OPTIONS} from './options.js';
import {budgetReport, buildReport, thresholdReport, type TaskAtThreshold} from './results/report.js';
import type {TextEncoder} from './kinds/requests.js';
import type {EvalReport, ThresholdReport} from './results/results.js';
import {taskHash, taskSamples} from './results/samples.js';
import {prepareTask, taskGroups, taskMetrics, type PreparedTask} from './scoring/score-task.js';
import {exitOptions} from './scoring/scoring-options.js';
import {timeTask} from './scoring/timing.js';
import {zeroAttentionMap} from './results/zero-attention.js';

/** Resamples for the error of `perplexity`, unless told. */
const BOOTSTRAP_ITERATIONS = 1000;

/** What evaluation needs of a model. */
export type Evaluated = Pick<Model, 'config' | 'engine' | 'score' | 'scoreExits' | 'logitsBatch'>;

/**
 * Evaluates a model as lm-evaluation-harness 0.4.13 does, with no examples in the prompt, at every threshold and
 * budget. The report is in the harness's shape; its `results` are those of the highest threshold, and
 * `ztt.thresholds` has the results and the cost of each. Where several thresholds are asked for, one pass through
 * the model gives all of them, for a sequence's depth is decided by its context alone; where tokens exit by
 * themselves, as in documents, every threshold is a pass of its own.
 * @throws UsageError for options that cannot be, among them a threshold that could change nothing and a budget that
 *   none reaches; FileError and FormatError for tasks, as `openTask` and `prepareTask`; InterruptedError once the
 *   signal aborts
 */
export async function evaluate(
  model: Evaluated,
  tokenizer: TextEncoder,
  options: EvalOptions,
): Promise<EvalReport> {
  const date = new Date();
  const began = performance.now();
  const {
    bootstrapIterations = BOOTSTRAP_ITERATIONS,
    timedQuestions = EVAL_OPTIONS.time.default,
    batchTokens,
    signal,
  } = options;
  requireWhole('bootstrapIterations', bootstrapIterations, 0, 1e9);
  checkOptions(EVAL_OPTIONS, options);
  const {slotThresholds} = options;
  const exits = exitOptions(options, model.config);
  for (const threshold of options.thresholds ?? [1]) {
    requireExits(model.config, {...exits, slotThresholds, threshold});
  }
  const kept = options.work?.keeping(model) ?? model;
  const {tasks, thresholds, budgets, curve} = await planEvaluation(kept, tokenizer, options, exits);
  const prepared = tasks.map((task) => prepareTask(task, tokenizer, model));
  await warmUp(model, prepared);

  const scoring = {...exits, slotThresholds, batchTokens, signal};
  const scored = await scoreTasks(kept, prepared, thresholds, {...scoring, report: options.onProgress});
  const reports: ThresholdReport[] = [];
  const hashes: Record<string, string> = {};
  let measured: TaskAtThreshold[] = [];
  for (const threshold of thresholds) {
    measured = [];
    for (const each of scored) {
      const {task} = each.prepared;
      const scores = await each.depths.at(threshold);
      const exitGranularity = exitsByToken(each.prepared, scoring) ? 'token' : 'sequence';
      const timed = {...scoring, exitGranularity, threshold} as const;
      const timing = timedQuestions > 0 ? await timeTask(model, each.prepared, timedQuestions, timed) : null;
      measured.push({task, metrics: taskMetrics(task, scores.outcomes, bootstrapIterations), scores, timing});
      if (options.onSamples) {
        const samples = taskSamples(task, scores.outcomes, threshold);
        hashes[task.name] = taskHash(samples);
        options.onSamples(task.name, threshold, samples);
      }
    }
    reports.push(thresholdReport(threshold, measured));
  }
  const ceilings = scored.flatMap(({prepared: {task}, depths: {exits}}) =>
    exits ? [[task.name, oracleCeiling(task, exits)] as const] : [],
  );
  return buildReport(model, measured, {
    thresholds: reports,
    budgets: budgets.map((budget) => budgetReport(budget, reports)),
    curve: [...curve],
    ceiling: Object.fromEntries(ceilings),
    textExits: await textExitsOf(kept, prepared, thresholds, scoring),
    zeroAttention: await zeroAttentionMap(model, prepared),
    hashes,
    exits,
    slotThresholds,
    modelName: options.modelName ?? 'model',
    limit: options.limit,
    batchTokens,
    bootstrapIterations,
    date,
    seconds: (performance.now() - began) / 1000,
  });
}

/** A task, and its scores at any threshold. */
interface ScoredTask {
  prepared: PreparedTask;
  depths: TaskDepths;
}

/** Scores each task: in one pass for all thresholds where that can be, else in one for each threshold. */
async function scoreTasks(
  model: ExitScorer,
  prepared: readonly PreparedTask[],
  thresholds: readonly number[],
  {report, ...options}: DepthOptions & {report: EvalOptions['onProgress']},
): Promise<ScoredTask[]> {
  const scored: ScoredTask[] = [];
  for (const each of prepared) {
    const onProgress = (done: number, total: number) => report?.(done, total, each.task.name);
    const scoring = {...options, onProgress};
    const exits = thresholds.some((threshold) => exitRule(model.config, {...options, threshold}).checksAny);
    const exiting = exits && !exitsByToken(each, options);
    const decided = each.requests.every(({decider}) => decider === 'own');
    const once = exiting && (thresholds.length > 1 || !decided);
    const depths = once
      ? await scoreAllExits(model, each, scoring)
      : scoreEachThreshold(model, each, scoring);
    scored.push({prepared: each, depths});
  }
  return scored;
}

/** By task of documents, what exits cost their windows as whole texts; none where no threshold exits. */
async function textExitsOf(
  model: ExitScorer,
  prepared: readonly PreparedTask[],
  thresholds: readonly number[],
  options: DepthOptions,
): Promise<Record<string, TextExits[]>> {
  const {exitFromCycle, exitScore, maxCycles, batchTokens, signal} = options;
  const exits = thresholds.some((threshold) => exitRule(model.config, {...options, threshold}).checksAny);
  const found: Record<string, TextExits[]> = {};
  for (const {task, requests} of exits ? prepared : []) {
    if (!kindOf(task).byToken) continue;
    const texts = requests.flatMap(({rows}) => rows.map(({ids}) => ids));
    const where = {exitFromCycle, exitScore, maxCycles};
    const measured = await measureTextExits(model, texts, where, {batchTokens, signal});
    if (measured.length > 0) found[task.name] = measured;
  }
  return found;
}

/** The engine's first use of its kernels is slower, and belongs to no threshold. */
async function warmUp(model: Evaluated, prepared: readonly PreparedTask[]): Promise<void> {
  const group = prepared.map(taskGroups).find(([first]) => first)?.[0];
  if (group) await scoreGroups(model, [group], {threshold: 1});
}
