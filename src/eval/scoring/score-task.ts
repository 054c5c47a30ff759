import type {Architecture, RowScore, ScoreRow} from '../../model/index.js';
import {
  addCosts,
  costOf,
  scoreGroups,
  type Cost,
  type RowGroup,
  type Scorer,
  type ScoreOptions,
} from '../../score/index.js';
import type {Answer} from '../kinds/kind.js';
import {kindOf} from '../kinds/kinds.js';
import type {TaskKind} from '../kinds/questions.js';
import {Encoder, type QuestionRows, type TextEncoder} from '../kinds/requests.js';
import type {Metric} from '../measures/metrics.js';
import type {Task} from '../tasks/task.js';

/** A task in one model's tokens. */
export interface PreparedTask {
  task: Task;
  /** For each of the task's rows its token rows. */
  requests: QuestionRows[];
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
 * @throws FormatError naming the place of a row that the model cannot score; UsageError if the model has no token to
 *   begin a text with and one is needed
 */
export function prepareTask(
  task: Task,
  tokenizer: TextEncoder,
  {config: {arch}}: {config: {arch: Architecture}},
): PreparedTask {
  const encoder = new Encoder(tokenizer, arch);
  const kind = kindOf(task);
  const requests = task.rows.map(({question, place}) => kind.requests(question, encoder, place));
  for (const [i, {rows}] of requests.entries()) {
    for (const {ids} of rows) tokenizer.requireRows(ids, arch.vocabulary, task.rows[i]!.place);
  }
  return {task, requests};
}

/** What is scored together of a task: a question's choices, and each window of a document by itself. */
export const taskGroups = ({task, requests}: PreparedTask): RowGroup[] =>
  requests.flatMap(({rows}) => kindOf(task).groups(rows));

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
    rowOutcome(prepared.task, rows, scores.slice(done, (done += rows.length)), model.config.arch),
  );
  return {outcomes, cost: addCosts(outcomes.map(({cost}) => cost)), seconds};
}

/** What came of one question, from the scores of its token rows. */
export function rowOutcome(
  task: {kind: TaskKind},
  rows: readonly ScoreRow[],
  scores: readonly RowScore[],
  arch: Architecture,
): RowOutcome {
  return {
    ...kindOf(task).answer(scores),
    slots: scores.map(({slots}) => slots),
    contextLength: rows[0]?.contextLength ?? 0,
    cost: costOf(rows, scores, arch),
  };
}

/** A task's metrics, from the outcomes of its rows: those that its definition names. */
export function taskMetrics(task: Task, outcomes: readonly Answer[], bootstrapIterations: number): Metric[] {
  const questions = task.rows.map(({question}) => question);
  return kindOf(task)
    .metrics(questions, outcomes, bootstrapIterations)
    .filter(({name}) => task.definition.metrics.includes(name));
}

/** Whether a row's answer is right, as `acc` counts it; null where nothing is right or wrong. */
export const isRight = (task: Task, row: number, answer: Answer): boolean | null =>
  kindOf(task).isRight(task.rows[row]!.question, answer);
