import {FormatError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';

/** Characters without a blank that are encoded at once, at most: no language has such words. */
const MAX_WORD = 1 << 20;

/** Characters of a document, at most, for a tokenizer that cannot encode it in pieces. */
const MAX_WHOLE = 1 << 24;

/** Words whose ids are kept: a few tens of MB. */
const MAX_KEPT = 1 << 18;

/** A longer word is not worth keeping. */
const MAX_KEPT_LENGTH = 64;

/**
 * What may be encoded by itself: all between two places where a space or a new line follows what is no white space.
 * U+0085 is white space in Unicode, though not to \s.
 */
const WORDS =
  /[\s\x85]*[^\s\x85]+(?:(?:[^\S \n]|\x85)[\s\x85]*[^\s\x85]+)*(?:(?:[^\S \n]|\x85)[\s\x85]*)?|[\s\x85]+/g;

/**
 * Encodes documents that come in pieces, to the very ids of the whole. Where the tokenizer takes words apart, each word
 * is encoded once and looked up from then on: English runs some 30 times faster so.
 */
export class DocumentEncoder {
  private readonly words = new Map<string, readonly number[]>();
  /** What has come and may still be a part of a longer word. */
  private pending = '';
  private place = '';

  constructor(private readonly tokenizer: Tokenizer) {}

  /**
   * Takes a piece of a document, and gives the ids that are certain by now.
   * @param place - where the piece is, for messages
   * @throws FormatError for a word, or a document that cannot be encoded in pieces, that memory may not hold, and for half a surrogate pair
   */
  add(text: string, place: string): number[] {
    const before = this.pending.length;
    this.pending += text;
    const {wordsApart} = this.tokenizer;
    const cut = wordsApart ? lastWordEnd(this.pending, before) : 0;
    const ids = this.encode(this.pending.slice(0, cut), place);
    this.pending = this.pending.slice(cut);
    this.place = place;
    if (wordsApart && this.pending.length > MAX_WORD) {
      throw new FormatError(
        `${place}: more than ${MAX_WORD} characters without a blank; is this text? Put blanks or line ends into it.`,
      );
    }
    if (!wordsApart && this.pending.length > MAX_WHOLE) {
      throw new FormatError(
        `${place}: the document has more than ${MAX_WHOLE} characters, which this tokenizer must encode as a whole; split it into several, as rows of a .jsonl file.`,
      );
    }
    return ids;
  }

  /** Ends the document, or a part of it that is encoded by itself: its last ids. @throws FormatError as `add` */
  end(): number[] {
    const ids = this.encode(this.pending, this.place);
    this.pending = '';
    return ids;
  }

  private encode(text: string, place: string): number[] {
    if (text === '') return [];
    try {
      if (!this.tokenizer.wordsApart) return this.tokenizer.encode(text, false);
      const ids: number[] = [];
      for (const word of text.match(WORDS) ?? []) {
        for (const id of this.wordIds(word)) ids.push(id);
      }
      return ids;
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(`${place}: ${error.message}`, {cause: error});
    }
  }

  private wordIds(word: string): readonly number[] {
    const kept = this.words.get(word);
    if (kept) return kept;
    const ids = this.tokenizer.encode(word, false);
    if (word.length <= MAX_KEPT_LENGTH) {
      if (this.words.size >= MAX_KEPT) this.words.clear();
      // A copy: the word is a slice of the text, and would keep all of it.
      this.words.set(Buffer.from(word, 'utf16le').toString('utf16le'), ids);
    }
    return ids;
  }
}

/** The last place from `from` on where a word ends, or 0. */
function lastWordEnd(text: string, from: number): number {
  for (let i = text.length - 1; i >= Math.max(1, from); i--) {
    if ((text[i] === ' ' || text[i] === '\n') && !WHITE.test(text[i - 1]!)) return i;
  }
  return 0;
}

const WHITE = /[\s\x85]/;
