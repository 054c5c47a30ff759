import {distance} from 'fastest-levenshtein';

/** One letter in so many may be wrong. */
const LETTERS_PER_SLIP = 3;

/**
 * What a word that is not known was probably meant to be, or null.
 * @param known - the words that there are
 * @param elsewhere - words of other tools, and what they are called here
 */
export function meant(
  word: string,
  known: readonly string[],
  elsewhere: Readonly<Record<string, string>> = {},
): string | null {
  if (Object.hasOwn(elsewhere, word)) return elsewhere[word]!;
  // A long word from a file or a script is no slip, and takes long to compare.
  if (word.length > 64) return null;
  const distances = known.map((other) => distance(word, other));
  const least = Math.min(...distances);
  return least <= Math.ceil(word.length / LETTERS_PER_SLIP) ? known[distances.indexOf(least)]! : null;
}

/** The question behind a refusal: `; did you mean X?`, or nothing. */
export const didYouMean = (found: string | null): string =>
  found === null ? '' : `; did you mean ${found}?`;
