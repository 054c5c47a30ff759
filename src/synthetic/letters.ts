/**
 * The letters that symbols are written with, in the order in which tasks take them. Behind a space each is one token in
 * GPT-2's vocabulary, in either case; I, Q, X and Z are left out, which smaller vocabularies of its kind often lack.
 */
export const LETTERS = 'abcdefghjklmnoprstuvwy';

/** How many symbols of one case there are. */
export const MAX_SYMBOLS = LETTERS.length;

/** A symbol by its number, in lower case. */
export const lower = (symbol: number): string => LETTERS[symbol]!;

/** A symbol by its number, in upper case. */
export const upper = (symbol: number): string => LETTERS[symbol]!.toUpperCase();

/** The first symbols, in lower case. */
export const firstLetters = (count: number): string[] => [...LETTERS.slice(0, count)];
