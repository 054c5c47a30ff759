import {UsageError} from '../errors.js';
import type {Definition} from './definition.js';
import {firstLetters, lower, MAX_SYMBOLS, upper} from './letters.js';
import {shuffledNumbers} from './random.js';

/**
 * Chains of additions: n statements "V U x", V = U + x modulo m, make a chain of variables of which the first is 0. They
 * stand in a random order, and one variable is asked, p additions from the first.
 */
export const MOD_ADD: Definition<'n' | 'p' | 'modulus'> = {
  version: 1,
  parameters: {
    n: {default: 4, min: 1, max: MAX_SYMBOLS - 1, what: 'additions in the chain'},
    p: {default: 2, min: 1, max: MAX_SYMBOLS - 1, what: 'additions up to the variable that is asked'},
    modulus: {default: 5, min: 2, max: MAX_SYMBOLS, what: 'numbers there are, from 0'},
  },
  check({n, p}) {
    if (p > n) throw new UsageError(`p is ${p}; a chain of n=${n} additions has no more than ${n}.`);
  },
  answers: ({modulus}) => firstLetters(modulus),
  draw({n, p, modulus}, random) {
    const variables = shuffledNumbers(MAX_SYMBOLS, random)
      .slice(0, n + 1)
      .map(upper);
    const terms = Array.from({length: n}, () => random.below(modulus));
    const statements = shuffledNumbers(n, random).flatMap((i) => [
      variables[i + 1]!,
      variables[i]!,
      lower(terms[i]!),
    ]);
    const sum = terms.slice(0, p).reduce((a, b) => a + b);
    return {prompt: [...statements, variables[p]!], answer: sum % modulus};
  },
};
