/** Words whose ids are kept: a few tens of MB. */
const MAX_KEPT = 1 << 18;

/** A longer word is not worth keeping. */
const MAX_KEPT_LENGTH = 64;

/** The ids of a word, or of any text. */
export type EncodeWord = (word: string) => readonly number[];

/**
 * Encodes texts word by word, and each word once: text is mostly words that were there before.
 * @param pattern - global; its matches leave nothing between them
 * @param encodeWord - of a match, whose ids are the same wherever it stands
 * @returns what adds to ids those of a text
 */
export function wordEncoder(pattern: RegExp, encodeWord: EncodeWord): (text: string, ids: number[]) => void {
  const kept = new Map<string, readonly number[]>();
  const encodeNew = (word: string): readonly number[] => {
    const ids = encodeWord(word);
    if (word.length > MAX_KEPT_LENGTH) return ids;
    if (kept.size >= MAX_KEPT) kept.clear();
    // A copy: the word is a slice of the text, and would keep all of it.
    kept.set(Buffer.from(word, 'utf16le').toString('utf16le'), ids);
    return ids;
  };
  return (text, ids) => {
    for (const word of text.match(pattern) ?? []) {
      for (const id of kept.get(word) ?? encodeNew(word)) ids.push(id);
    }
  };
}
