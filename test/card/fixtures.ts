import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {resultsSchema} from '../../src/eval/index.js';
import {describeModel} from '../../src/convert/index.js';

/** Writes a results file as `ztt eval --output` does, of a model: accuracy 0.5 at full depth and 0.25 at 0.2. */
export async function writeResultsFor(folder: string, path: string, dataset = 'baber/piqa'): Promise<void> {
  const model = await describeModel(folder);
  const task = (acc: number) => ({
    piqa: {name: 'piqa', alias: 'piqa', sample_len: 8, 'acc,none': acc, 'acc_stderr,none': 0.125},
  });
  const cost = (ratio: number) => ({
    rows: 8,
    tokens: 80,
    mean_slots: 10 * ratio,
    flops_per_token: 1e6 * ratio,
    flops_ratio_to_source: ratio,
    exits_by_slot: {},
    timing: null,
  });
  const at = (threshold: number, acc: number, ratio: number) => ({
    ...cost(ratio),
    threshold,
    results: task(acc),
    tasks: {piqa: {...cost(ratio), by_context_length: []}},
  });
  const report = {
    results: task(0.5),
    group_subtasks: {},
    configs: {piqa: {dataset_path: dataset, dataset_name: null, test_split: 'validation'}},
    versions: {piqa: 1},
    'n-shot': {piqa: 0},
    higher_is_better: {piqa: {acc: true}},
    'n-samples': {piqa: {original: 80, effective: 8}},
    config: {
      model: 'ztt',
      model_args: {pretrained: '/home/ann/model'},
      model_num_parameters: model.parameters.all,
      limit: 8,
      bootstrap_iters: 1000,
    },
    date: 0,
    max_length: 64,
    model_source: 'ztt',
    model_name: '/home/ann/model',
    model_name_sanitized: 'model',
    total_evaluation_time_seconds: '1',
    ztt: {
      version: 1,
      engine: {name: 'wasm', device: 'x', version: '1', threads: 1},
      layout: model.layout,
      head: model.head,
      middle: model.middle,
      tail: model.tail,
      cycles: model.cycles,
      slots: model.slots.length,
      parameters: {all: model.parameters.all, without_embeddings: model.parameters.withoutEmbeddings},
      exit_from_cycle: 2,
      exit_score: 'zero-attention',
      exit_granularity: 'sequence',
      max_cycles: null,
      slot_thresholds: {},
      results_threshold: 1,
      thresholds: [at(0.2, 0.25, 1.1), at(1, 0.5, 1.7)],
      budgets: [],
      calibration: [],
      zero_attention: null,
      ceiling: {},
    },
  };
  resultsSchema.parse(report);
  await writeFile(path, JSON.stringify(report));
}

/** Changes a folder's config.json. */
export async function editConfig(
  folder: string,
  edit: (config: {ztt: {source: Record<string, unknown>}}) => void,
): Promise<void> {
  const path = join(folder, 'config.json');
  const config = JSON.parse(await readFile(path, 'utf8')) as {ztt: {source: Record<string, unknown>}};
  edit(config);
  await writeFile(path, JSON.stringify(config));
}
