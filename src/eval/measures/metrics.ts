import {bootstrapPerplexityStderr, mean, meanStderr} from './stderr.js';

/** Where a number cannot be had: see `Metric`. */
export const NOT_AVAILABLE = 'N/A';
export type Value = number | typeof NOT_AVAILABLE;

/** A metric over all rows of a task. */
export interface Metric {
  name: string;
  /** `N/A` where it is beyond a double, as a perplexity by words can be for text without spaces. */
  value: Value;
  /** `N/A` for one row, without bootstrap iterations, and for perplexities of documents. */
  stderr: Value;
  higherIsBetter: boolean;
  /** How the rows' values are put together, in the harness's words. */
  aggregation: 'mean' | 'perplexity' | 'weighted_perplexity' | 'bits_per_byte';
}

/** A question's outcome. */
export interface ChoiceOutcome {
  /** Log-likelihood of each choice, in nats. */
  logLikelihoods: readonly number[];
  /** Length of each choice in code points, without the space before it. */
  lengths: readonly number[];
  /** The right choice's index. */
  gold: number;
}

/** A last word's outcome. */
export interface WordOutcome {
  /** Of the whole word, in nats. */
  logLikelihood: number;
  /** Whether each of its tokens was the most likely one. */
  greedy: boolean;
}

/** A document's outcome. */
export interface DocumentOutcome {
  /** Of the whole document, in nats. */
  logLikelihood: number;
  words: number;
  /** Its length in UTF-8. */
  bytes: number;
}

/** The index of the largest value; of equals, the lowest. */
export function argmax(values: readonly number[]): number {
  return values.reduce((best, value, i) => (value > values[best]! ? i : best), 0);
}

/** Whether the likeliest choice is the right one, as it is and with log-likelihoods per character: 1 or 0. */
export function choiceHits({logLikelihoods, lengths, gold}: ChoiceOutcome): {acc: number; acc_norm: number} {
  const perCharacter = logLikelihoods.map((value, i) => value / lengths[i]!);
  return {
    acc: argmax(logLikelihoods) === gold ? 1 : 0,
    acc_norm: argmax(perCharacter) === gold ? 1 : 0,
  };
}

/** `acc` and `acc_norm`, with the standard errors of means. */
export function choiceMetrics(outcomes: readonly ChoiceOutcome[], bootstrapIterations: number): Metric[] {
  const hits = outcomes.map(choiceHits);
  return [
    accuracy(
      'acc',
      hits.map((hit) => hit.acc),
      bootstrapIterations,
    ),
    accuracy(
      'acc_norm',
      hits.map((hit) => hit.acc_norm),
      bootstrapIterations,
    ),
  ];
}

/** LAMBADA's `perplexity`, exp of the mean negative log-likelihood per word, and `acc`. */
export function wordMetrics(outcomes: readonly WordOutcome[], bootstrapIterations: number): Metric[] {
  const values = outcomes.map(({logLikelihood}) => logLikelihood);
  return [
    {
      name: 'perplexity',
      value: finite(Math.exp(-mean(values))),
      // Of one resample there is no deviation.
      stderr:
        values.length > 1 && bootstrapIterations > 1
          ? finite(bootstrapPerplexityStderr(values, bootstrapIterations))
          : NOT_AVAILABLE,
      higherIsBetter: false,
      aggregation: 'perplexity',
    },
    accuracy(
      'acc',
      outcomes.map(({greedy}) => (greedy ? 1 : 0)),
      bootstrapIterations,
    ),
  ];
}

/** `word_perplexity`, `byte_perplexity` and `bits_per_byte` over documents that hold some text. */
export function documentMetrics(outcomes: readonly DocumentOutcome[]): Metric[] {
  const sum = (of: (outcome: DocumentOutcome) => number) =>
    outcomes.reduce((total, row) => total + of(row), 0);
  const nats = -sum(({logLikelihood}) => logLikelihood);
  const perByte = nats / sum(({bytes}) => bytes);
  const perWord = nats / sum(({words}) => words);
  const metric = (name: string, value: number, aggregation: Metric['aggregation']): Metric => ({
    name,
    value: finite(value),
    stderr: NOT_AVAILABLE,
    higherIsBetter: false,
    aggregation,
  });
  return [
    metric('word_perplexity', Math.exp(perWord), 'weighted_perplexity'),
    metric('byte_perplexity', Math.exp(perByte), 'weighted_perplexity'),
    metric('bits_per_byte', perByte / Math.LN2, 'bits_per_byte'),
  ];
}

/** The mean of zeros and ones. The harness has no errors at all without bootstrap iterations. */
function accuracy(name: string, hits: readonly number[], bootstrapIterations: number): Metric {
  return {
    name,
    value: mean(hits),
    stderr: hits.length > 1 && bootstrapIterations > 0 ? meanStderr(hits) : NOT_AVAILABLE,
    higherIsBetter: true,
    aggregation: 'mean',
  };
}

const finite = (value: number): Value => (Number.isFinite(value) ? value : NOT_AVAILABLE);
