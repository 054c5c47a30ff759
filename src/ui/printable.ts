/**
 * Characters that do something to a terminal other than to be shown: control characters but for tabs and new lines, and
 * format characters, which can turn a line round, but for the joiners that scripts and emoji need.
 */
const UNSEEN = /(?![\t\n\u200c\u200d])[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** A text as it may reach a terminal: what would act on it is written out, as `\u001b`. */
export const printable = (text: string): string =>
  text.replace(UNSEEN, (character) => `\\u${character.codePointAt(0)!.toString(16).padStart(4, '0')}`);

/** A JSON text with the same characters escaped, which only its strings can hold. */
export const printableJson = (json: string): string =>
  json.replace(UNSEEN, (character) =>
    Array.from(
      {length: character.length},
      (_, i) => `\\u${character.charCodeAt(i).toString(16).padStart(4, '0')}`,
    ).join(''),
  );
