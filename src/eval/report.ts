import {countParameters, slots, type Model} from '../model/index.js';
import type {Metric} from './metrics.js';
import {sanitiseModelName, type EvalReport, type TaskResult, type ThresholdReport} from './results.js';
import type {Task} from './tasks.js';

/** A model as reports describe it. */
export type Described = Pick<Model, 'config' | 'engine'>;

export interface ReportContext {
  modelName: string;
  limit: number | undefined;
  batchTokens: number | undefined;
  bootstrapIterations: number;
  exitFromCycle: number;
  /** When the evaluation began. */
  date: Date;
  /** Wall time of the whole evaluation. */
  seconds: number;
}

/** A task's entry in `results`. */
export function taskResult(task: Task, metrics: readonly Metric[]): TaskResult {
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
  thresholds: readonly ThresholdReport[],
  context: ReportContext,
): EvalReport {
  const {arch, arrangement} = model.config;
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
      model_args: {pretrained: context.modelName, dtype: 'float32'},
      model_num_parameters: parameters.all,
      model_dtype: 'float32',
      batch_tokens: context.batchTokens ?? null,
      device,
      limit: context.limit ?? null,
      bootstrap_iters: context.bootstrapIterations,
      gen_kwargs: null,
    },
    date: context.date.getTime() / 1000,
    max_length: arch.maxPositions,
    task_hashes: {},
    model_source: 'ztt',
    model_name: context.modelName,
    model_name_sanitized: sanitiseModelName(context.modelName),
    total_evaluation_time_seconds: String(context.seconds),
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
      exit_from_cycle: context.exitFromCycle,
      results_threshold: deepest.threshold,
      thresholds: [...thresholds],
    },
  };
}

/** The harness's word for each kind. */
const OUTPUT_TYPES = {
  'multiple-choice': 'multiple_choice',
  'last-word': 'loglikelihood',
  rolling: 'loglikelihood_rolling',
} as const;

function taskConfig({name, kind, definition, dataset}: Task, metrics: readonly Metric[]) {
  const {templates, version} = definition;
  return {
    task: name,
    dataset_path: dataset.path,
    dataset_name: dataset.config ?? null,
    dataset_kwargs: {data_files: {[dataset.split]: dataset.files}},
    test_split: dataset.split,
    output_type: OUTPUT_TYPES[kind],
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
