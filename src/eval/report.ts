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

/** The words in which the harness configures each kind of task. */
const KINDS = {
  'multiple-choice': {
    output_type: 'multiple_choice',
    doc_to_text: 'query',
    doc_to_target: 'gold',
    doc_to_choice: 'choices',
  },
  'last-word': {
    output_type: 'loglikelihood',
    doc_to_text: "{{text.split(' ')[:-1]|join(' ')}}",
    doc_to_target: "{{' '+text.split(' ')[-1]}}",
  },
  rolling: {output_type: 'loglikelihood_rolling', doc_to_text: '', doc_to_target: 'page'},
} as const;

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
    versions: perTask(() => 1),
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

function taskConfig(task: Task, metrics: readonly Metric[]) {
  return {
    task: task.name,
    dataset_path: 'json',
    dataset_kwargs: {data_files: {test: task.path}},
    test_split: 'test',
    ...KINDS[task.kind],
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
    metadata: {version: 1},
  };
}
