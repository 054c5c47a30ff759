import type {Random} from './random.js';

/** A parameter of a task: a whole number. */
export interface Parameter {
  default: number;
  min: number;
  max: number;
  /** What it counts, for messages. */
  what: string;
}

/** A question in symbols, each a letter. */
export interface Drawn {
  prompt: readonly string[];
  /** The index of the right one of `answers`. */
  answer: number;
}

/** A kind of questions: what they depend on, and how one is drawn. */
export interface Definition<Name extends string = string> {
  /** Counts up when other questions come of the same spec. */
  version: number;
  parameters: Readonly<Record<Name, Parameter>>;
  /** Checks parameters that must go together. @throws UsageError */
  check?(values: Readonly<Record<Name, number>>): void;
  /** What may be answered: a letter each. */
  answers(values: Readonly<Record<Name, number>>): string[];
  /** Draws a question, or null where what was drawn is none; the next draw may be one. */
  draw(values: Readonly<Record<Name, number>>, random: Random): Drawn | null;
}
