import {FormatError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';

/** Characters without a blank that are encoded at once, at most: no language has such words. */
const MAX_WORD = 1 << 20;

/** Characters of a document, at most, for a tokenizer that cannot encode it in pieces. */
const MAX_WHOLE = 1 << 24;

/**
 * Encodes documents that come in pieces, to the very ids of the whole. Where the tokenizer takes words apart, no more
 * than a word is held back.
 */
export class DocumentEncoder {
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
      return this.tokenizer.encode(text, false);
    } catch (error) {
      if (!(error instanceof FormatError)) throw error;
      throw new FormatError(`${place}: ${error.message}`, {cause: error});
    }
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
