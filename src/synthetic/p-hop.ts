import {UsageError} from '../errors.js';
import type {Definition} from './definition.js';
import {firstLetters, lower, MAX_SYMBOLS} from './letters.js';
import type {Random} from './random.js';

/**
 * p-hop induction: Sanford, Hsu and Telgarsky, "Transformers, parallel computation, and logarithmic depth"
 * (arXiv 2402.09268), definition 4.1, asked at the last symbol, as in "Reasoning with latent thoughts" (arXiv
 * 2502.17416). Sequences are drawn as in the former's appendix G.1: no two neighbours are alike; of them, those whose
 * p hops all exist.
 */
export const P_HOP: Definition<'n' | 'p' | 'alphabet'> = {
  version: 1,
  parameters: {
    n: {default: 16, min: 4, max: 4096, what: 'symbols in the sequence'},
    p: {default: 4, min: 1, max: 1024, what: 'hops'},
    alphabet: {default: 4, min: 3, max: MAX_SYMBOLS, what: 'different symbols'},
  },
  check({n, p}) {
    if (p > n - 2)
      throw new UsageError(`p is ${p}; a sequence of n=${n} symbols has no more than ${n - 2} hops.`);
  },
  answers: ({alphabet}) => firstLetters(alphabet),
  draw({n, p, alphabet}, random) {
    const sequence = withoutRepeats(n, alphabet, random);
    const end = hop(sequence, p);
    return end === null ? null : {prompt: sequence.map(lower), answer: sequence[end]!};
  },
};

/** A sequence in which no two neighbours are alike, all such equally likely. */
function withoutRepeats(length: number, alphabet: number, random: Random): number[] {
  const sequence = [random.below(alphabet)];
  while (sequence.length < length) {
    const other = random.below(alphabet - 1);
    sequence.push(other < sequence.at(-1)! ? other : other + 1);
  }
  return sequence;
}

/**
 * Where p hops lead from the end of a sequence: each hop goes from a place to the one right behind the latest earlier
 * place that has the same symbol.
 * @returns the place, from 0, or null where a symbol has no earlier place
 */
export function hop(sequence: readonly number[], p: number): number | null {
  let at = sequence.length - 1;
  for (let done = 0; done < p; done++) {
    const before = at === 0 ? -1 : sequence.lastIndexOf(sequence[at]!, at - 1);
    if (before < 0) return null;
    at = before + 1;
  }
  return at;
}
