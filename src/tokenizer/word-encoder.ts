/** Words whose ids are kept: a few tens of MB. */
const MAX_KEPT = 1 << 18;

/** A longer word is not worth keeping. */
const MAX_KEPT_LENGTH = 64;

/** Encodes a text word by word, and each word once: text is mostly words that were there before. */
export class WordEncoder {
  private readonly kept = new Map<string, readonly number[]>();

  /**
   * @param word - a global pattern whose matches leave nothing between them
   * @param encodeWord - the ids of a match, which are the same wherever it stands
   */
  constructor(
    private readonly word: RegExp,
    private readonly encodeWord: (word: string) => number[],
  ) {}

  /** The ids of a text. */
  encode(text: string): number[] {
    const ids: number[] = [];
    for (const word of text.match(this.word) ?? []) {
      for (const id of this.wordIds(word)) ids.push(id);
    }
    return ids;
  }

  private wordIds(word: string): readonly number[] {
    const kept = this.kept.get(word);
    if (kept) return kept;
    const ids = this.encodeWord(word);
    if (word.length <= MAX_KEPT_LENGTH) {
      if (this.kept.size >= MAX_KEPT) this.kept.clear();
      // A copy: the word is a slice of the text, and would keep all of it.
      this.kept.set(Buffer.from(word, 'utf16le').toString('utf16le'), ids);
    }
    return ids;
  }
}
