import {sourceRepo, type CardFacts} from './facts.js';
import type {Metadata} from './metadata.js';
import type {TaskPoint, TaskRecord} from './results-record.js';

/** The Hub's names for metrics, where they are others than the harness's. */
const METRICS: Record<string, string> = {acc: 'accuracy'};

const TASK = {type: 'text-generation', name: 'Text generation'};

/**
 * A card's metadata, in the Hub's keys (https://github.com/huggingface/hub-docs/blob/main/modelcard.md). The base model
 * is left out where the source was not of the Hub: the Hub would link to what is not there.
 */
export function generateMetadata(facts: CardFacts): Metadata {
  const {ztt, model, run, results, repo} = facts;
  const source = sourceRepo(facts);
  const metadata: Metadata = {
    ...(source && {base_model: source, base_model_relation: 'finetune'}),
    library_name: 'transformers',
    pipeline_tag: 'text-generation',
    ...licenseOf(facts),
    ...(ztt.source.card?.language && {language: ztt.source.card.language}),
    ...(run && run.datasets.length > 0 && {datasets: run.datasets}),
    tags: ['ztt', 'zero-token-transformer', 'early-exit', 'parameter-sharing', model.family],
  };
  if (!results || results.tasks.length === 0) return metadata;
  const entries = results.tasks.map((task) => ({
    task: TASK,
    dataset: datasetOf(task),
    metrics: metricsOf(task),
  }));
  return {...metadata, 'model-index': [{name: repo.split('/')[1] ?? repo, results: entries}]};
}

function licenseOf({ztt}: CardFacts): Metadata {
  const {license, license_name: name, license_link: link} = ztt.source.card ?? {};
  if (!license) return {};
  const {name: repo, revision} = ztt.source;
  // A file's name is one in the source's repo, and none in this.
  const remote = link && /^https?:\/\//.test(link) ? link : undefined;
  const file = link && revision ? `https://huggingface.co/${repo}/blob/${revision}/${link}` : undefined;
  const address = remote ?? file;
  return {license, ...(name && {license_name: name}), ...(address && {license_link: address})};
}

function datasetOf({name, dataset, config, split}: TaskRecord): Metadata {
  return {type: dataset ?? name, name, ...(config && {config}), split};
}

/** Each metric at each threshold, the deepest first. */
function metricsOf({points}: TaskRecord): Metadata[] {
  return points.flatMap((point) =>
    point.metrics.map(({name, value}) => ({
      type: METRICS[name] ?? name,
      value: Number(value.toPrecision(6)),
      name: `${name} at ${depthOf(point)}`,
    })),
  );
}

const depthOf = ({threshold, flops_ratio_to_source: ratio}: TaskPoint): string =>
  `threshold ${Number(threshold.toPrecision(3))} (${ratio.toFixed(2)}x the source's FLOPs)`;
