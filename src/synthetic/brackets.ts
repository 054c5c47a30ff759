import type {Definition} from './definition.js';
import {lower, MAX_SYMBOLS, upper} from './letters.js';
import type {Random} from './random.js';

/**
 * Bracket matching: the beginning of a string of brackets of several kinds, lower case to open and upper case to close,
 * that ends behind a whole stretch of matched ones; which bracket must be closed next? The stretch's length is drawn
 * first, so that the open bracket stands equally often at each distance.
 */
export const BRACKETS: Definition<'n' | 'kinds'> = {
  version: 1,
  parameters: {
    n: {default: 16, min: 3, max: 4096, what: 'brackets in the string'},
    kinds: {default: 4, min: 2, max: MAX_SYMBOLS, what: 'kinds of brackets'},
  },
  answers: ({kinds}) => Array.from({length: kinds}, (_, kind) => upper(kind)),
  draw({n, kinds}, random) {
    const pairs = 1 + random.below(Math.floor((n - 1) / 2));
    const before = n - 1 - 2 * pairs;
    const answer = random.below(kinds);
    const prompt = [
      ...brackets(before, kinds, random, false),
      lower(answer),
      ...brackets(2 * pairs, kinds, random, true),
    ];
    return {prompt, answer};
  },
};

/**
 * A string of brackets in which none is closed that is not the last one open. Where nothing is open, one opens; where
 * `whole` and as much is open as places are left, the last one closes; elsewhere a fair coin says which.
 * @param whole - whether all are closed at the end
 */
function brackets(length: number, kinds: number, random: Random, whole: boolean): string[] {
  const open: number[] = [];
  return Array.from({length}, (_, done) => {
    const mustClose = whole && open.length === length - done;
    const opens = open.length === 0 || (!mustClose && random.below(2) === 0);
    if (!opens) return upper(open.pop()!);
    open.push(random.below(kinds));
    return lower(open.at(-1)!);
  });
}
