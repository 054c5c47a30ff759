import type {Architecture, RowScore, ScoreRow} from '../../model/index.js';
import {
  addCosts,
  costOf,
  logLikelihood,
  scoreGroups,
  type Cost,
  type RowGroup,
  type Scorer,
  type ScoreOptions,
} from '../../score/index.js';
import {argmax, choiceMetrics, documentMetrics, wordMetrics, type Metric} from '../measures/metrics.js';
import type {TaskKind} from '../tasks/questions.js';
import {taskRequests, type QuestionRows, type TextEncoder} from './requests.js';
import type {Task} from '../tasks/task.js';

/** A task in one model's tokens. */
export interface PreparedTask {
  task: Task;
  /** For each of the task's rows its token rows. */
  requests: QuestionRows[];
}

/** What a model says to one of a task's rows. */
export interface Answer {
  /** In nats: of each choice, of the last word, or of the whole document. */
  logLikelihoods: number[];
  /** For each, whether every token of it was the most likely one. */
  greedy: boolean[];
}

/** What came of one of a task's rows. */
export interface RowOutcome extends Answer {
  /** Slots run by each token row. */
  slots: number[];
  /** Tokens that decided the exit; of a document's windows, those of the first. */
  contextLength: number;
  cost: Cost;
}

export interface TaskScores {
  outcomes: RowOutcome[];
  cost: Cost;
  /** Wall time of scoring. */
  seconds: number;
}

/**
 * Puts a task into tokens.
 * @throws FormatError naming the place of a row that the model cannot score, UsageError as `taskRequests`
 */
export function prepareTask(task: Task, tokenizer: TextEncoder, model: Scorer): PreparedTask {
  return {task, requests: taskRequests(task, tokenizer, model.config.arch)};
}

/** What is scored together of a task: a question's choices, and each window of a document by itself. */
export const taskGroups = ({task, requests}: PreparedTask): RowGroup[] =>
  requests.flatMap(({rows}) => (task.kind === 'rolling' ? rows.map((window) => [window]) : [rows]));

/**
 * Scores a task, every row deciding for itself.
 * @throws UsageError and InterruptedError as `scoreGroups`
 */
export async function scoreTask(
  model: Scorer,
  prepared: PreparedTask,
  options: ScoreOptions = {},
): Promise<TaskScores> {
  const {results, seconds} = await scoreGroups(model, taskGroups(prepared), options);
  const scores = results.flat();
  let done = 0;
  const outcomes = prepared.requests.map(({rows}) =>
    rowOutcome(prepared.task.kind, rows, scores.slice(done, (done += rows.length)), model.config.arch),
  );
  return {outcomes, cost: addCosts(outcomes.map(({cost}) => cost)), seconds};
}

/** What came of one question, from the scores of its token rows. */
export function rowOutcome(
  kind: TaskKind,
  rows: readonly ScoreRow[],
  scores: readonly RowScore[],
  arch: Architecture,
): RowOutcome {
  const sums = scores.map(logLikelihood);
  const hits = scores.map(({greedy}) => greedy.every(Boolean));
  const whole = kind === 'rolling';
  return {
    logLikelihoods: whole ? [sums.reduce((total, value) => total + value, 0)] : sums,
    greedy: whole ? [hits.every(Boolean)] : hits,
    slots: scores.map(({slots}) => slots),
    contextLength: rows[0]?.contextLength ?? 0,
    cost: costOf(rows, scores, arch),
  };
}

/** A task's metrics, from the outcomes of its rows: those that its definition names. */
export function taskMetrics(task: Task, outcomes: readonly Answer[], bootstrapIterations: number): Metric[] {
  return allMetrics(task, outcomes, bootstrapIterations).filter(({name}) =>
    task.definition.metrics.includes(name),
  );
}

/** Whether a row's answer is right, as `acc` counts it; null for documents, which ask nothing. */
export function isRight(task: Task, row: number, {logLikelihoods, greedy}: Answer): boolean | null {
  if (task.kind === 'rolling') return null;
  if (task.kind === 'last-word') return greedy[0]!;
  return argmax(logLikelihoods) === task.rows[row]!.question.gold;
}

function allMetrics(task: Task, outcomes: readonly Answer[], bootstrapIterations: number): Metric[] {
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
