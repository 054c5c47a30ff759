import {createHash} from 'node:crypto';
import {kindOf} from '../kinds/kinds.js';
import {sanitiseModelName, type Companion} from './results.js';
import type {RowOutcome} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** A row of a task as the harness logs it: its request, its answer in strings, its metrics; and how deep it went. */
export type Sample = Record<string, unknown> & {doc_hash: string; prompt_hash: string; target_hash: string};

/** The rows of a task with what came of them, for `samples_TASK_STAMP.jsonl`. */
export function taskSamples(task: Task, outcomes: readonly RowOutcome[], threshold: number): Sample[] {
  const kind = kindOf(task);
  return outcomes.map((outcome, i) => {
    const {doc, question} = task.rows[i]!;
    const {arguments: asked, responses} = kind.logged(question, outcome);
    const values = Object.entries(kind.values(question, outcome));
    return {
      doc_id: i,
      doc,
      target: question.target,
      arguments: Object.fromEntries(asked.map((each, k) => [`gen_args_${k}`, each])),
      resps: responses.map((response) => [response]),
      filtered_resps: responses,
      filter: 'none',
      metrics: task.definition.metrics,
      doc_hash: sha256(JSON.stringify(doc, null, 2)),
      prompt_hash: sha256(asked[0]?.arg_0 ?? ''),
      target_hash: sha256(question.target),
      ...Object.fromEntries(values.filter(([name]) => task.definition.metrics.includes(name))),
      ztt: {threshold, slots: outcome.slots, context_length: outcome.contextLength},
    };
  });
}

/** What the harness calls a task's hash: that of all rows, prompts and targets. */
export const taskHash = (samples: readonly Sample[]): string =>
  sha256(samples.map((sample) => sample.doc_hash + sample.prompt_hash + sample.target_hash).join(''));

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/**
 * The file of a task's samples at a threshold, beside results whose own threshold is `resultsThreshold`: the harness's
 * name for that one, and one with the threshold for others.
 */
export function samplesFile(
  task: string,
  threshold: number,
  resultsThreshold: number,
  samples: readonly Sample[],
): Companion {
  const at = threshold === resultsThreshold ? '' : `_threshold-${threshold}`;
  const text = samples.map((sample) => `${JSON.stringify(sample)}\n`).join('');
  return {prefix: `samples_${sanitiseModelName(task)}${at}`, extension: 'jsonl', text};
}
