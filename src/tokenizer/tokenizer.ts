import {jsonSha256} from '../files/index.js';
import {FormatError} from '../errors.js';
import {tokenBytes} from './alphabet.js';
import {Cuts} from './cuts.js';
import {pieceEncoder, type EncodePiece} from './piece-encoder.js';
import {readTokenizer} from './read.js';
import type {TokenizerSpec} from './spec.js';

/** Characters of a message that show a place in a text. */
const SHOWN = 20;

/** What a model must know of its tokenizer. */
export interface Vocabulary {
  /** One more than the largest id. */
  size: number;
  /** Ids of the special tokens that it names. */
  bos: number | null;
  eos: number | null;
  pad: number | null;
}

/** Text to token ids and back, as Transformers' tokenizer of the same files. */
export class Tokenizer {
  /** Ids that the tokenizer puts around each text by itself: OPT's `</s>` before. */
  readonly surroundings: {readonly before: readonly number[]; readonly after: readonly number[]};
  private readonly encodePiece: EncodePiece;
  private readonly cuts: Cuts;
  /** By id. */
  private readonly tokens = new Map<number, string>();
  private readonly specialIds = new Set<number>();

  private constructor(
    /** All that decides what the tokenizer does; plain data, from which another thread makes the same. */
    readonly spec: TokenizerSpec,
    /** What a user should know of how its files were read, in lines. */
    readonly notes: readonly string[] = [],
  ) {
    this.surroundings = {before: spec.before, after: spec.after};
    this.cuts = new Cuts(spec);
    this.encodePiece = pieceEncoder(spec, this.wordsApart);
    for (const [token, id] of spec.vocabulary) this.tokens.set(id, token);
    for (const {content, id, special} of spec.addedTokens.values()) {
      this.tokens.set(id, content);
      if (special) this.specialIds.add(id);
    }
  }

  /**
   * Reads a folder's tokenizer: tokenizer.json, or vocab.json and merges.txt, and the small files beside them.
   * @throws FileError if there is none, FormatError for a broken one, UnsupportedError for one that is not
   *   byte-level BPE
   */
  static async load(folder: string): Promise<Tokenizer> {
    const {spec, notes} = await readTokenizer(folder);
    return new Tokenizer(spec, notes);
  }

  /** The tokenizer that another one's `spec` tells of. */
  static of(spec: TokenizerSpec): Tokenizer {
    return new Tokenizer(spec);
  }

  /**
   * Whether a text's ids are those of its pieces in a row, where it is cut before spaces and new lines that follow what
   * is no white space.
   */
  get wordsApart(): boolean {
    return this.cuts.everywhere;
  }

  /**
   * A place within a word of a text, at or after another, where it can be cut and still has the same ids; null where
   * there is none. For texts in which white space is seldom, as in Chinese.
   */
  cutWithinWord(text: string, from: number): number | null {
    return this.cuts.withinWords(text, from);
  }

  /** The sha256 of all that decides which ids a text has, in hex. */
  sha256(): string {
    const {vocabulary, addedTokens, ...rest} = this.spec;
    const all = [[...vocabulary], [...addedTokens], rest];
    return jsonSha256(all);
  }

  vocabulary(): Vocabulary {
    let last = -1;
    for (const id of this.tokens.keys()) last = Math.max(last, id);
    return {size: last + 1, ...this.spec.named};
  }

  /**
   * A text's token ids.
   * @param specialTokens - whether with those that the tokenizer adds (OPT's `</s>` in front); default true
   * @throws FormatError for half a surrogate pair, which no UTF-8 holds, and for a million characters without a
   *   place to cut them at
   */
  encode(text: string, specialTokens = true): number[] {
    const half = /\p{Surrogate}/u.exec(text);
    if (half) {
      // The text may be a piece of a longer one: a place in it would mean nothing to who reads the message.
      const code = half[0].charCodeAt(0).toString(16);
      const before = text.slice(Math.max(0, half.index - SHOWN), half.index);
      throw new FormatError(
        `the text has half a surrogate pair (\\u${code}), which is no character, after ${JSON.stringify(before)}; write the whole character, or leave it out.`,
      );
    }
    const ids: number[] = [];
    for (const piece of this.cuts.pieces(text)) this.encodePiece(piece, ids);
    if (!specialTokens) return ids;
    const {before, after} = this.surroundings;
    return [...before, ...ids, ...after];
  }

  /** Whether an id is a token that marks something, and is no text. */
  isSpecial(id: number): boolean {
    return this.specialIds.has(id);
  }

  /**
   * Checks that a model has all of these tokens.
   * @param rows - of the model's embedding
   * @param where - what the ids are of, for the message
   * @throws FormatError naming a token that has no row
   */
  requireRows(ids: readonly number[], rows: number, where: string): void {
    const id = ids.find((value) => value >= rows);
    if (id === undefined) return;
    throw new FormatError(
      `${where}: the token ${JSON.stringify(this.decode([id]))} has the id ${id}, but the model's embedding has ${rows} rows; the tokenizer is another model's, or tokens were added to it alone.`,
    );
  }

  /**
   * The text of token ids, exactly: no clean-up of spaces. An id that is no token has none.
   * @param specialTokens - whether with the text of special tokens; default true
   */
  decode(ids: readonly number[], specialTokens = true): string {
    const stream = this.decoder(specialTokens);
    return ids.map((id) => stream.add(id)).join('') + stream.end();
  }

  /** As `decode`, token by token: what ends within a character is held back until it is whole. */
  decoder(specialTokens = true): {add(id: number): string; end(): string} {
    const utf8 = new TextDecoder('utf-8', {ignoreBOM: true});
    return {
      add: (id) => {
        const token = specialTokens || !this.specialIds.has(id) ? this.tokens.get(id) : undefined;
        return token === undefined ? '' : utf8.decode(tokenBytes(token), {stream: true});
      },
      end: () => utf8.decode(),
    };
  }
}
