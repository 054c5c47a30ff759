import {logLikelihood, type RowGroup} from '../../score/index.js';
import type {RowScore, ScoreRow} from '../../model/index.js';
import type {Metric} from '../measures/metrics.js';
import {pythonNumber} from './python-text.js';
import type {TextPair} from './questions.js';
import type {Encoder, QuestionRows} from './requests.js';

/** What a model says to a question. */
export interface Answer {
  /** In nats: of each choice, of the last word, or of the whole document. */
  logLikelihoods: number[];
  /** For each, whether every token of it was the most likely one. */
  greedy: boolean[];
}

/** A question and its answer as the harness logs them. */
export interface Logged {
  /** One a request to the model. */
  arguments: Record<string, string>[];
  /** One a request, in Python's words. */
  responses: unknown[];
}

/** All that depends on what the rows of a task ask. A new kind of task is one object of this type. */
export interface Kind<Question> {
  /** The harness's word for it. */
  outputType: string;
  /** Whether each token exits by itself, even where sequences are asked for. */
  byToken: boolean;
  /**
   * A question in tokens.
   * @param place - where it stands, for messages
   * @throws FormatError, UsageError as `Encoder`
   */
  requests(question: Question, encoder: Encoder, place: string): QuestionRows;
  /** The rows of a question that are scored together. */
  groups(rows: readonly ScoreRow[]): RowGroup[];
  /** The answer, from the scores of a question's rows. */
  answer(scores: readonly RowScore[]): Answer;
  /** Whether an answer is right, as `acc` counts it; null where nothing is right or wrong. */
  isRight(question: Question, answer: Answer): boolean | null;
  /** All its metrics over questions. @param bootstrapIterations - 0 for none of the errors */
  metrics(questions: readonly Question[], answers: readonly Answer[], bootstrapIterations: number): Metric[];
  /** A question's own value of each metric, by the metric's name. */
  values(question: Question, answer: Answer): Record<string, unknown>;
  logged(question: Question, answer: Answer): Logged;
  /** Why questions are no task, although each fits; null if they are one. */
  refusal(questions: readonly Question[]): string | null;
}

/** Of a kind whose questions are contexts with continuations, a row each. */
export const pairKind = {
  byToken: false,
  groups: (rows: readonly ScoreRow[]): RowGroup[] => [rows],
  answer: (scores: readonly RowScore[]): Answer => ({
    logLikelihoods: scores.map(logLikelihood),
    greedy: scores.map(({greedy}) => greedy.every(Boolean)),
  }),
  refusal: () => null,
};

/** The token rows of contexts with continuations. */
export const pairRequests = (pairs: readonly TextPair[], encoder: Encoder, place: string): QuestionRows =>
  encoder.rows(pairs.map(({context, continuation}) => encoder.pair(context, continuation, place)));

/** Contexts with continuations as the harness logs them. */
export const loggedPairs = (pairs: readonly TextPair[], {logLikelihoods, greedy}: Answer): Logged => ({
  arguments: pairs.map(({context, continuation}) => ({arg_0: context, arg_1: continuation})),
  responses: logLikelihoods.map((value, i) => [pythonNumber(value), greedy[i] ? 'True' : 'False']),
});
