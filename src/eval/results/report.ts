import {kindOf} from '../kinds/kinds.js';
import {countParameters, slots, type Model} from '../../model/index.js';
import type {Ceiling} from './ceiling.js';
import type {ChosenBudget} from '../thresholds/choose.js';
import {byContextLength} from './context-lengths.js';
import {addCosts, summarise, type TextExits} from '../../score/index.js';
import type {CurvePoint} from '../thresholds/curve.js';
import type {ExitOptions, ThresholdOptions} from '../scoring/scoring-options.js';
import type {Metric} from '../measures/metrics.js';
import {
  sanitiseModelName,
  type BudgetReport,
  type EvalReport,
  type TaskResult,
  type ThresholdReport,
} from './results.js';
import type {TaskScores} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';
import type {Timing} from '../scoring/timing.js';
import type {ZeroAttentionMap} from './zero-attention.js';

/** A model as reports describe it. */
export type Described = Pick<Model, 'config' | 'engine'>;

/** What came of a task at one threshold. */
export interface TaskAtThreshold {
  task: Task;
  metrics: readonly Metric[];
  scores: TaskScores;
  timing: Timing | null;
}

export interface ReportContent {
  thresholds: readonly ThresholdReport[];
  budgets: BudgetReport[];
  /** What budgets' thresholds were chosen on. */
  curve: CurvePoint[];
  /** By task. */
  ceiling: Record<string, Ceiling>;
  /** By task. */
  textExits: Record<string, TextExits[]>;
  zeroAttention: ZeroAttentionMap | null;
  /** By task, if samples were kept. */
  hashes: Record<string, string>;
  exits: ExitOptions & {exitFromCycle: number};
  slotThresholds: ThresholdOptions['slotThresholds'];
  modelName: string;
  limit: number | undefined;
  batchTokens: number | undefined;
  bootstrapIterations: number;
  /** When the evaluation began. */
  date: Date;
  /** Wall time of the whole evaluation. */
  seconds: number;
}

/** A threshold's entry in `ztt.thresholds`. */
export function thresholdReport(threshold: number, tasks: readonly TaskAtThreshold[]): ThresholdReport {
  const perTask = <T>(of: (task: TaskAtThreshold) => T) =>
    Object.fromEntries(tasks.map((each) => [each.task.name, of(each)]));
  return {
    threshold,
    results: perTask(({task, metrics}) => taskResult(task, metrics)),
    ...summarise(addCosts(tasks.map(({scores}) => scores.cost))),
    timing: sumTimings(tasks),
    tasks: perTask(({task, scores, timing}) => ({
      ...summarise(scores.cost),
      timing,
      by_context_length: byContextLength(task, scores.outcomes),
    })),
  };
}

/** Seconds a question over several tasks, each with the weight of its questions. */
function sumTimings(tasks: readonly TaskAtThreshold[]): Timing | null {
  const timed = tasks.flatMap(({scores, timing}) =>
    timing ? [{timing, weight: scores.outcomes.length}] : [],
  );
  if (timed.length === 0) return null;
  const all = timed.reduce((sum, {weight}) => sum + weight, 0);
  const mean = (of: (timing: Timing) => number) =>
    timed.reduce((sum, {timing, weight}) => sum + of(timing) * weight, 0) / all;
  return {
    questions: timed.reduce((sum, {timing}) => sum + timing.questions, 0),
    batched_seconds: mean((timing) => timing.batched_seconds),
    single_seconds: mean((timing) => timing.single_seconds),
  };
}

/** A budget's entry: what its threshold costs where it was chosen, and where it was measured. */
export function budgetReport(
  {text, budget, point}: ChosenBudget,
  thresholds: readonly ThresholdReport[],
): BudgetReport {
  const measured = thresholds.find(({threshold}) => threshold === point.threshold)!;
  return {
    budget: text,
    unit: budget.unit,
    asked: budget.value,
    threshold: point.threshold,
    calibrated: budget.unit === 'source' ? point.flops_ratio.value : point.flops_per_token,
    achieved: budget.unit === 'source' ? measured.flops_ratio_to_source : measured.flops_per_token,
  };
}

/** A task's entry in `results`. */
function taskResult(task: Task, metrics: readonly Metric[]): TaskResult {
  return {
    name: task.name,
    alias: task.name,
    sample_len: task.rows.length,
    ...Object.fromEntries(
      metrics.flatMap(({name, value, stderr}) => [
        [`${name},none`, value],
        [`${name}_stderr,none`, stderr],
      ]),
    ),
  };
}

/**
 * The whole report. `results` at the top are those of the highest threshold: full depth, if 1 is among them.
 * @param tasks - with the metrics they have, whatever their values
 */
export function buildReport(
  model: Described,
  tasks: readonly {task: Task; metrics: readonly Metric[]}[],
  content: ReportContent,
): EvalReport {
  const {arch, arrangement} = model.config;
  const {thresholds, exits} = content;
  const {name, device, version, threads} = model.engine;
  const parameters = countParameters(arch, arrangement);
  const deepest = thresholds.reduce((best, report) => (report.threshold > best.threshold ? report : best));
  const perTask = <T>(of: (entry: {task: Task; metrics: readonly Metric[]}) => T) =>
    Object.fromEntries(tasks.map((entry) => [entry.task.name, of(entry)]));
  return {
    results: deepest.results,
    group_subtasks: {},
    configs: perTask(({task, metrics}) => taskConfig(task, metrics)),
    versions: perTask(({task}) => task.definition.version),
    'n-shot': perTask(() => 0),
    higher_is_better: perTask(({metrics}) =>
      Object.fromEntries(metrics.map((metric) => [metric.name, metric.higherIsBetter])),
    ),
    'n-samples': perTask(({task}) => ({original: task.original, effective: task.rows.length})),
    config: {
      model: 'ztt',
      model_args: {pretrained: content.modelName, dtype: 'float32'},
      model_num_parameters: parameters.all,
      model_dtype: 'float32',
      batch_tokens: content.batchTokens ?? null,
      device,
      limit: content.limit ?? null,
      bootstrap_iters: content.bootstrapIterations,
      gen_kwargs: null,
    },
    date: content.date.getTime() / 1000,
    max_length: arch.maxPositions,
    task_hashes: content.hashes,
    model_source: 'ztt',
    model_name: content.modelName,
    model_name_sanitized: sanitiseModelName(content.modelName),
    total_evaluation_time_seconds: String(content.seconds),
    ztt: {
      version: 1,
      engine: {name, device, version, threads},
      layout: arrangement.layout,
      head: arrangement.head,
      middle: arrangement.middleSources.length,
      tail: arrangement.tail,
      cycles: arrangement.cycles,
      slots: slots(arrangement).length,
      parameters: {all: parameters.all, without_embeddings: parameters.withoutEmbeddings},
      exit_from_cycle: exits.exitFromCycle,
      exit_score: exits.exitScore ?? 'zero-attention',
      exit_granularity: exits.exitGranularity ?? 'sequence',
      max_cycles: exits.maxCycles ?? null,
      slot_thresholds: {...content.slotThresholds},
      results_threshold: deepest.threshold,
      thresholds: [...thresholds],
      budgets: content.budgets,
      calibration: content.curve,
      text_exits: content.textExits,
      ceiling: content.ceiling,
      zero_attention: content.zeroAttention,
    },
  };
}

function taskConfig(task: Task, metrics: readonly Metric[]) {
  const {name, definition, dataset} = task;
  const {templates, version} = definition;
  return {
    task: name,
    dataset_path: dataset.path,
    dataset_name: dataset.config ?? null,
    dataset_kwargs: {data_files: {[dataset.split]: dataset.files}},
    test_split: dataset.split,
    output_type: kindOf(task).outputType,
    ...templates,
    description: '',
    target_delimiter: ' ',
    fewshot_delimiter: '\n\n',
    num_fewshot: 0,
    metric_list: metrics.map(({name, aggregation, higherIsBetter}) => ({
      metric: name,
      aggregation,
      higher_is_better: higherIsBetter,
    })),
    repeats: 1,
    should_decontaminate: false,
    metadata: {version},
  };
}
