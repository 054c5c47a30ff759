import {argmax, choiceHits, choiceMetrics} from '../measures/metrics.js';
import {loggedPairs, pairKind, pairRequests, type Kind} from './kind.js';
import type {ChoiceQuestion} from './questions.js';

/** Which of several continuations is the likeliest. */
export const MULTIPLE_CHOICE: Kind<ChoiceQuestion> = {
  ...pairKind,
  outputType: 'multiple_choice',
  requests: ({pairs}, encoder, place) => pairRequests(pairs, encoder, place),
  isRight: ({gold}, {logLikelihoods}) => argmax(logLikelihoods) === gold,
  metrics: (questions, answers, bootstrapIterations) =>
    choiceMetrics(
      questions.map(({lengths, gold}, i) => ({
        logLikelihoods: answers[i]!.logLikelihoods,
        lengths,
        gold,
      })),
      bootstrapIterations,
    ),
  values: ({lengths, gold}, {logLikelihoods}) => choiceHits({logLikelihoods, lengths, gold}),
  logged: ({pairs}, answer) => loggedPairs(pairs, answer),
};
