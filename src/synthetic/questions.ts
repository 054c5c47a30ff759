import {createHash} from 'node:crypto';
import {quoted, UsageError} from '../errors.js';
import {seededRandom} from './random.js';
import {parseSpec, type Split, type SyntheticSpec} from './spec.js';

/** A question, in text. */
export interface SyntheticQuestion {
  /** Symbols, each behind a space. */
  prompt: string;
  /** The index of the right one of the task's `answers`. */
  answer: number;
}

/** A synthetic task: a list of questions that its spec decides. */
export interface SyntheticTask extends Omit<SyntheticSpec, 'definition'> {
  /** As it was given. */
  spec: string;
  /** Counts up when other questions come of the same spec. */
  version: number;
  /** What may be answered: a symbol each, without the space before it. All are equally often right. */
  answers: readonly string[];
  /**
   * The questions, the same each time; made as they are asked for. Those for tests and validation are all different.
   * @throws UsageError if the parameters allow too few of the split
   */
  questions(): Generator<SyntheticQuestion>;
}

/** Draws in a row that give no question, after which there are taken to be too few. */
const MAX_DRAWS = 100_000;

/**
 * Opens a synthetic task.
 * @param spec - `synthetic:NAME?key=value&…`
 * @param split - the questions that are meant where the spec names no split
 * @throws UsageError for a spec that is wrong, naming the part that is
 */
export function openSynthetic(spec: string, split: string): SyntheticTask {
  const {definition, ...parsed} = parseSpec(spec, split);
  return {
    ...parsed,
    spec,
    version: definition.version,
    answers: definition.answers(parsed.parameters),
    questions: () => questionsOf(spec, {definition, ...parsed}),
  };
}

/** One stream of draws a seed, of which each split takes its own; only training may repeat a question. */
function* questionsOf(
  spec: string,
  {definition, parameters, seed, rows, split}: SyntheticSpec,
): Generator<SyntheticQuestion> {
  const random = seededRandom(seed);
  const asked = new Set<string>();
  let missed = 0;
  for (let row = 0; row < rows;) {
    const drawn = definition.draw(parameters, random);
    const prompt = drawn && drawn.prompt.map((symbol) => ` ${symbol}`).join('');
    if (prompt !== null && splitOf(prompt) === split && !asked.has(prompt)) {
      if (split !== 'train') asked.add(prompt);
      yield {prompt, answer: drawn!.answer};
      row++;
      missed = 0;
    } else if (++missed === MAX_DRAWS) {
      throw new UsageError(
        `${quoted(spec)}: after ${row} questions of the split ${split}, ${MAX_DRAWS} draws in a row gave no other; with these parameters there are hardly any. Take more symbols, fewer hops or fewer rows.`,
      );
    }
  }
}

/**
 * The split of a question, by a hash of its prompt: an eighth of all questions are for tests, an eighth for validation,
 * the others for training. No question is of two splits, whatever the seeds and the numbers of rows.
 */
export function splitOf(prompt: string): Split {
  const byte = createHash('sha256').update(prompt).digest()[0]!;
  if (byte < 32) return 'test';
  return byte < 64 ? 'validation' : 'train';
}
