import {createHash} from 'node:crypto';
import {choiceHits} from '../measures/metrics.js';
import {pythonNumber} from '../tasks/python-text.js';
import {textsOf} from '../tasks/questions.js';
import {sanitiseModelName, type Companion} from './results.js';
import type {RowOutcome} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** A row of a task as the harness logs it: its request, its answer in strings, its metrics; and how deep it went. */
export type Sample = Record<string, unknown> & {doc_hash: string; prompt_hash: string; target_hash: string};

/** The rows of a task with what came of them, for `samples_TASK_STAMP.jsonl`. */
export function taskSamples(task: Task, outcomes: readonly RowOutcome[], threshold: number): Sample[] {
  return outcomes.map((outcome, i) => {
    const {doc, question} = task.rows[i]!;
    const texts = textsOf(question);
    const whole = task.kind === 'rolling';
    const answers = outcome.logLikelihoods.map((value, k) =>
      whole ? pythonNumber(value) : [pythonNumber(value), outcome.greedy[k] ? 'True' : 'False'],
    );
    return {
      doc_id: i,
      doc,
      target: question.target,
      arguments: Object.fromEntries(
        texts.map(({context, continuation}, k) => [
          `gen_args_${k}`,
          whole ? {arg_0: context} : {arg_0: context, arg_1: continuation},
        ]),
      ),
      resps: answers.map((answer) => [answer]),
      filtered_resps: answers,
      filter: 'none',
      metrics: task.definition.metrics,
      doc_hash: sha256(JSON.stringify(doc, null, 2)),
      prompt_hash: sha256(texts[0]?.context ?? ''),
      target_hash: sha256(question.target),
      ...rowMetrics(task, i, outcome),
      ztt: {threshold, slots: outcome.slots, context_length: outcome.contextLength},
    };
  });
}

/** What the harness calls a task's hash: that of all rows, prompts and targets. */
export const taskHash = (samples: readonly Sample[]): string =>
  sha256(samples.map((sample) => sample.doc_hash + sample.prompt_hash + sample.target_hash).join(''));

/** A row's own value of each metric. */
function rowMetrics(task: Task, row: number, {logLikelihoods, greedy}: RowOutcome): Record<string, unknown> {
  const [likelihood] = logLikelihoods;
  switch (task.kind) {
    case 'multiple-choice': {
      const {lengths, gold} = task.rows[row]!.question;
      const hits = Object.entries(choiceHits({logLikelihoods, lengths, gold}));
      return Object.fromEntries(hits.filter(([name]) => task.definition.metrics.includes(name)));
    }
    case 'last-word':
      return {perplexity: likelihood, acc: greedy[0] ? 1 : 0};
    case 'rolling': {
      const {words, bytes} = task.rows[row]!.question;
      return {
        word_perplexity: [likelihood, words],
        byte_perplexity: [likelihood, bytes],
        bits_per_byte: [likelihood, bytes],
      };
    }
  }
}

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
