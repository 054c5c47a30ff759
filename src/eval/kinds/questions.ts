import {codePoints, countWords} from './python-text.js';

// What tasks ask, in text: every row of a task is one question of its task's kind.

/** A continuation to score, and the text before it. */
export interface TextPair {
  context: string;
  continuation: string;
}

interface Question {
  /** What the harness logs as the row's target. */
  target: string;
}

/** A question whose right continuation should be likelier than the others. */
export interface ChoiceQuestion extends Question {
  /** One a choice. */
  pairs: readonly TextPair[];
  /** Each choice's length in code points, without the space before it: what `acc_norm` divides by. */
  lengths: readonly number[];
  /** The right choice's index. */
  gold: number;
}

/** A passage whose last word is to be predicted. */
export interface WordQuestion extends Question {
  pair: TextPair;
}

/** A document, all of whose tokens are predicted. */
export interface DocumentQuestion extends Question {
  text: string;
  /** Words and UTF-8 bytes that its likelihood is divided by; those of the text before any clean-up. */
  words: number;
  bytes: number;
}

/** The kinds of tasks, each with what it asks. */
export interface Questions {
  'multiple-choice': ChoiceQuestion;
  'last-word': WordQuestion;
  rolling: DocumentQuestion;
}
export type TaskKind = keyof Questions;

/** What stands between a context and its continuation. */
const DELIMITER = ' ';

/** One context, with each choice behind a space. */
export const choices = (query: string, texts: readonly string[], gold: number): ChoiceQuestion => ({
  pairs: texts.map((text) => ({context: query, continuation: DELIMITER + text})),
  lengths: texts.map(codePoints),
  gold,
  target: String(gold),
});

/** One ending behind a space, after each of several contexts. */
export const contexts = (texts: readonly string[], ending: string, gold: number): ChoiceQuestion => ({
  pairs: texts.map((context) => ({context, continuation: DELIMITER + ending})),
  lengths: texts.map(() => codePoints(ending)),
  gold,
  target: ending,
});

/** A passage, cut at its last space. */
export function lastWord(text: string): WordQuestion {
  const cut = text.lastIndexOf(' ');
  const target = DELIMITER + text.slice(cut + 1);
  return {pair: {context: text.slice(0, Math.max(cut, 0)), continuation: target}, target};
}

/** A page, scored as it is or as `text`. */
export const document = (page: string, text = page): DocumentQuestion => ({
  text,
  words: countWords(page),
  bytes: Buffer.byteLength(page),
  target: text,
});
