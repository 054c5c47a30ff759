import {FormatError} from '../errors.js';
import type {TokenizerSpec} from './spec.js';

/** Characters after which a long text is cut, at the next place. */
const PIECE = 1 << 16;

/** Without a space or a new line, so many characters are no text; one word of them takes seconds and much memory. */
const MAX_UNBROKEN = 1 << 20;

/**
 * Places where a long text can be cut without changing its tokens. No word of GPT-2's goes from a character that
 * is no white space into white space, so the token before it ends there; only added tokens and splits that hold
 * white space, or take it along, can go further.
 */
export class Cuts {
  /** What a place may stand in: texts with white space in them. */
  private readonly crossing: string[];
  /** Tokens that take the white space after them along. */
  private readonly greedy: string[];
  private readonly place: RegExp;
  private readonly never: boolean;
  private readonly prefixSpace: boolean;

  constructor({addedTokens, splits, prefixSpace, normalForms}: TokenizerSpec) {
    this.prefixSpace = prefixSpace;
    const tokens = [...addedTokens.values()];
    const texts = [...tokens.map(({content}) => content), ...splits.flatMap(({literal}) => literal ?? [])];
    this.crossing = texts.filter((text) => /.\s/su.test(text));
    this.greedy = tokens.filter(({rstrip}) => rstrip).map(({content}) => content);
    // A piece that begins with a space gets no other. U+0085 is white space in Unicode, though not to \s.
    this.place = prefixSpace ? /(?<=[^\s\x85]) /g : /(?<=[^\s\x85])[ \n]/g;
    const normalized = normalForms.length > 0 && tokens.some((token) => token.normalized);
    this.never = normalized && this.crossing.length + this.greedy.length > 0;
  }

  /** Whether a text can be cut before every space and new line that follows what is no white space. */
  get everywhere(): boolean {
    return !this.never && this.crossing.length + this.greedy.length === 0 && !this.prefixSpace;
  }

  /**
   * The text in pieces of some ten thousand characters.
   * @throws FormatError for a text that goes on and on without a space
   */
  *pieces(text: string): Generator<string> {
    let start = 0;
    while (text.length - start > PIECE) {
      const end = this.next(text, start + PIECE);
      if (end - start > MAX_UNBROKEN) {
        throw new FormatError(
          `the text has ${end - start} characters, from character ${start} on, in which it cannot be cut: at most ${MAX_UNBROKEN} without a space or a new line are taken for text.`,
        );
      }
      yield text.slice(start, end);
      start = end;
    }
    if (start < text.length) yield text.slice(start);
  }

  /** The first place from here on, or the text's end. */
  private next(text: string, from: number): number {
    if (this.never) return text.length;
    this.place.lastIndex = from;
    for (let match = this.place.exec(text); match; match = this.place.exec(text)) {
      if (this.allows(text, match.index)) return match.index;
      if (match.index - from > MAX_UNBROKEN) break;
    }
    return text.length;
  }

  private allows(text: string, place: number): boolean {
    return (
      !this.greedy.some((token) => text.startsWith(token, place - token.length)) &&
      !this.crossing.some((token) => {
        // An occurrence that begins before the place and ends after it.
        const found = text.slice(Math.max(0, place - token.length + 1), place + token.length - 1);
        return found.includes(token);
      })
    );
  }
}
