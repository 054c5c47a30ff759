import {wordMetrics} from '../measures/metrics.js';
import {loggedPairs, pairKind, pairRequests, type Kind} from './kind.js';
import type {WordQuestion} from './questions.js';

/** Whether the last word of a passage is the likeliest one. */
export const LAST_WORD: Kind<WordQuestion> = {
  ...pairKind,
  outputType: 'loglikelihood',
  requests: ({pair}, encoder, place) => pairRequests([pair], encoder, place),
  isRight: (_, {greedy}) => greedy[0]!,
  metrics: (_, answers, bootstrapIterations) =>
    wordMetrics(
      answers.map(({logLikelihoods, greedy}) => ({logLikelihood: logLikelihoods[0]!, greedy: greedy[0]!})),
      bootstrapIterations,
    ),
  values: (_, {logLikelihoods, greedy}) => ({perplexity: logLikelihoods[0]!, acc: greedy[0] ? 1 : 0}),
  logged: ({pair}, answer) => loggedPairs([pair], answer),
};
