import {logLikelihood} from '../../score/index.js';
import {documentMetrics} from '../measures/metrics.js';
import type {Kind} from './kind.js';
import {pythonNumber} from './python-text.js';
import type {DocumentQuestion} from './questions.js';

/** How likely all tokens of a document are. Its windows each are scored, and each of their tokens exits, by itself. */
export const ROLLING: Kind<DocumentQuestion> = {
  outputType: 'loglikelihood_rolling',
  // The mean of a window would look ahead.
  byToken: true,
  requests: ({text}, encoder) => ({
    rows: encoder.windows(text).flatMap((window) => encoder.rows([window]).rows),
    decider: 'own',
  }),
  groups: (rows) => rows.map((window) => [window]),
  answer: (scores) => ({
    logLikelihoods: [scores.map(logLikelihood).reduce((total, value) => total + value, 0)],
    greedy: [scores.every(({greedy}) => greedy.every(Boolean))],
  }),
  isRight: () => null,
  metrics: (questions, answers) =>
    documentMetrics(
      questions.map(({words, bytes}, i) => ({
        logLikelihood: answers[i]!.logLikelihoods[0]!,
        words,
        bytes,
      })),
    ),
  values: ({words, bytes}, {logLikelihoods: [likelihood]}) => ({
    word_perplexity: [likelihood, words],
    byte_perplexity: [likelihood, bytes],
    bits_per_byte: [likelihood, bytes],
  }),
  logged: ({text}, {logLikelihoods}) => ({
    arguments: [{arg_0: text}],
    responses: logLikelihoods.map(pythonNumber),
  }),
  refusal: (questions) =>
    questions.every(({text}) => text === '') ? 'every page is empty; there is nothing to predict' : null,
};
