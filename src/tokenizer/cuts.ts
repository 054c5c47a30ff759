import {FormatError, quoted} from '../errors.js';
import type {TokenizerSpec} from './spec.js';

/** Characters after which a long text is cut, at the next place. */
const PIECE = 1 << 16;

/** Without a space or a new line, so many characters are no text; one word of them takes seconds and much memory. */
const MAX_UNBROKEN = 1 << 20;

/**
 * Between a letter, a digit and what is neither: no word of GPT-2's goes over such a place, but for `'s` and its like.
 * White space, of JavaScript's or Unicode's kind, is on neither side.
 */
const CLASS_CHANGE =
  /(?<=\p{L})[^\s\p{L}\x85\ufeff]|(?<=\p{N})[^\s\p{N}\x85\ufeff]|(?<=[^\s\p{L}\p{N}'\x85\ufeff])[\p{L}\p{N}]/gu;

/** Characters of a message that show which text is meant. */
const SHOWN = 40;

/**
 * Places where a long text can be cut without changing its tokens. No word of GPT-2's goes from a character that
 * is no white space into white space, so the token before it ends there; only added tokens and splits that hold
 * white space, or take it along, can go further. Where a text has no white space (Chinese, Thai), it is cut between
 * letters and marks.
 */
export class Cuts {
  /** What a place may stand in: texts with white space in them. */
  private readonly crossing: string[];
  /** Tokens that take the white space after them along. */
  private readonly greedy: string[];
  private readonly place: RegExp;
  /** Texts that are one token, or split off as one, which no cut may go through. */
  private readonly whole: string[];
  /** Whether a text may be cut between letters and marks. */
  private readonly cutsWords: boolean;
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
    this.whole = texts.filter((text) => text.length > 1);
    // A normal form could join characters, and a piece without a space in front would get one.
    this.cutsWords = normalForms.length === 0 && !prefixSpace;
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
          `the text that begins ${quoted(text.slice(start, start + SHOWN))} has ${end - start} characters without a place to cut it at; at most ${MAX_UNBROKEN} without a space or a new line are taken for text.`,
        );
      }
      yield text.slice(start, end);
      start = end;
    }
    if (start < text.length) yield text.slice(start);
  }

  /** A place within words of a text without white space, at or after another; null where there is none. */
  withinWords(text: string, from: number, end = text.length): number | null {
    if (this.never || !this.cutsWords) return null;
    return this.find(CLASS_CHANGE, text, from, end, (place) => !this.goesThrough(text, place));
  }

  /** The first place from here on, or the text's end. */
  private next(text: string, from: number): number {
    if (this.never) return text.length;
    for (const width of [PIECE, MAX_UNBROKEN]) {
      const end = Math.min(text.length, from + width);
      const place =
        this.find(this.place, text, from, end, (place) => this.allows(text, place)) ??
        this.withinWords(text, from, end);
      if (place !== null) return place;
    }
    return text.length;
  }

  /** The first match of a pattern from one place up to another that may be cut at; it looks behind itself. */
  private find(
    pattern: RegExp,
    text: string,
    from: number,
    end: number,
    allows: (place: number) => boolean,
  ): number | null {
    // Behind the end nothing is searched, and two units before the start may be one character.
    const start = Math.max(0, from - 2);
    const window = text.slice(start, end);
    pattern.lastIndex = from - start;
    for (let match = pattern.exec(window); match; match = pattern.exec(window)) {
      // At the window's end stands perhaps half a character.
      const last = match.index >= window.length - 1 && end < text.length;
      if (!last && match.index > 0 && allows(start + match.index)) return start + match.index;
    }
    return null;
  }

  /** Whether a place is within a text that must stay whole. */
  private goesThrough(text: string, place: number): boolean {
    return this.whole.some((token) =>
      text.slice(Math.max(0, place - token.length + 1), place + token.length - 1).includes(token),
    );
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
