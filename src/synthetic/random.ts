import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {mersenne} from 'pure-rand/generator/mersenne';

/** What generators draw from. */
export interface Random {
  /** A whole number from 0 to `below` - 1, all equally likely. */
  below: (below: number) => number;
}

/** MT19937 of a seed: its seeding, unlike a linear generator's, keeps streams of neighbouring seeds apart. */
export function seededRandom(seed: number): Random {
  const generator = mersenne(seed);
  return {below: (below) => uniformInt(generator, 0, below - 1)};
}

/** The numbers from 0 to `count` - 1 in a random order: a Fisher-Yates shuffle. */
export function shuffledNumbers(count: number, random: Random): number[] {
  const order = Array.from({length: count}, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return order;
}
