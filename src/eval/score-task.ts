import type {ScoreRow} from '../model/index.js';
import type {Cost} from './cost.js';
import {choiceMetrics, documentMetrics, wordMetrics, type Metric} from './metrics.js';
import {taskRequests, type TextEncoder} from './requests.js';
import {logLikelihood, scoreRows, type Scored, type ScoreOptions} from './scorer.js';
import type {Task} from './tasks.js';

/** A task in one model's tokens. */
export interface PreparedTask {
  task: Task;
  /** For each of the task's rows its token rows: one a choice, one for the last word, or one a window. */
  requests: ScoreRow[][];
}

/** What came of one of a task's rows. */
export interface RowOutcome {
  /** In nats: of each choice, of the last word, or of the whole document. */
  logLikelihoods: number[];
  /** For each, whether every token of it was the most likely one. */
  greedy: boolean[];
  /** Slots run by each token row. */
  slots: number[];
}

export interface TaskScores {
  outcomes: RowOutcome[];
  cost: Cost;
}

/**
 * Puts a task into tokens.
 * @throws FormatError naming the line of a row that the model cannot score, UsageError as `taskRequests`
 */
export function prepareTask(task: Task, tokenizer: TextEncoder, model: Scored): PreparedTask {
  return {task, requests: taskRequests(task, tokenizer, model.config.arch)};
}

/** Scores a task. @throws UsageError and InterruptedError as `scoreRows` */
export async function scoreTask(
  model: Scored,
  {task, requests}: PreparedTask,
  options: ScoreOptions = {},
): Promise<TaskScores> {
  const rows = requests.flat();
  const {scores, cost} = await scoreRows(model, rows, options);
  let done = 0;
  const outcomes = requests.map((own) => {
    const results = scores.slice(done, (done += own.length));
    const sums = results.map(logLikelihood);
    const hits = results.map(({greedy}) => greedy.every(Boolean));
    const whole = task.kind === 'rolling';
    return {
      logLikelihoods: whole ? [sums.reduce((total, value) => total + value, 0)] : sums,
      greedy: whole ? [hits.every(Boolean)] : hits,
      slots: results.map(({slots}) => slots),
    };
  });
  return {outcomes, cost};
}

/** A task's metrics, from the outcomes of its rows: those that its definition names. */
export function taskMetrics(
  task: Task,
  outcomes: readonly RowOutcome[],
  bootstrapIterations: number,
): Metric[] {
  return allMetrics(task, outcomes, bootstrapIterations).filter(({name}) =>
    task.definition.metrics.includes(name),
  );
}

function allMetrics(task: Task, outcomes: readonly RowOutcome[], bootstrapIterations: number): Metric[] {
  switch (task.kind) {
    case 'multiple-choice':
      return choiceMetrics(
        task.rows.map(({question: {lengths, gold}}, i) => ({
          logLikelihoods: outcomes[i]!.logLikelihoods,
          lengths,
          gold,
        })),
        bootstrapIterations,
      );
    case 'last-word':
      return wordMetrics(
        outcomes.map(({logLikelihoods, greedy}) => ({logLikelihood: logLikelihoods[0]!, greedy: greedy[0]!})),
        bootstrapIterations,
      );
    case 'rolling':
      return documentMetrics(
        task.rows.map(({question: {words, bytes}}, i) => ({
          logLikelihood: outcomes[i]!.logLikelihoods[0]!,
          words,
          bytes,
        })),
      );
  }
}
