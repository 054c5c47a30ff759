import {FormatError} from '../../errors.js';

/** A JSON value as the strict parser gives it: objects are Maps, so that no key means anything to JavaScript. */
export type StrictJson = null | boolean | string | number | InexactNumber | StrictJson[] | StrictObject;
export type StrictObject = Map<string, StrictJson>;

/** A number that is written otherwise than as a whole number from 0 to 2^53 - 1. */
class InexactNumber {
  constructor(
    /** As it is written. */
    readonly text: string,
  ) {}
}

/** How deep values may lie in each other: as many levels as the reference implementation of safetensors reads. */
const MAX_DEPTH = 127;

/** How many values there may be, which bounds the memory that they take; 2,000 tensors have 20,000. */
const MAX_VALUES = 1_000_000;

const code = (char: string): number => char.charCodeAt(0);
const QUOTE = code('"');
const BACKSLASH = code('\\');
const [BRACE, BRACE_END, BRACKET, BRACKET_END] = [code('{'), code('}'), code('['), code(']')];
const [COMMA, COLON] = [code(','), code(':')];

/** A table that tells whether a byte is one of these characters. */
function bytesOf(chars: string): Uint8Array {
  const table = new Uint8Array(256);
  for (const char of chars) table[code(char)] = 1;
  return table;
}
const SPACE = bytesOf(' \t\n\r');
/** What numbers and words are made of. */
const WORD = bytesOf('+-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz');
/** What stands for itself in a string: printable ASCII but the quote and the backslash. */
const PLAIN = Uint8Array.from({length: 256}, (_, byte) =>
  byte >= 0x20 && byte < 0x7f && byte !== QUOTE && byte !== BACKSLASH ? 1 : 0,
);

const NUMBER = /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/;
const WHOLE = /^(0|[1-9]\d*)$/;
const WORDS = new Map<string, boolean | null>([
  ['true', true],
  ['false', false],
  ['null', null],
]);

/**
 * Parses JSON (RFC 8259) as strictly as a header of safetensors needs: no key twice in one object, no half of a
 * surrogate pair, no number beyond the float64s, and whole numbers told from those written in another way.
 * @throws FormatError saying what is wrong at which byte; the caller names the file
 */
export function parseStrictJson(bytes: Buffer): StrictJson {
  return new Parser(bytes).parse();
}

class Parser {
  private at = 0;
  private values = 0;

  constructor(private readonly bytes: Buffer) {}

  parse(): StrictJson {
    const value = this.value(1);
    this.skipSpace();
    if (this.at < this.bytes.length) throw this.broken('something follows the value');
    return value;
  }

  /** A value; `depth` is the level that it would open if it is an object or array. */
  private value(depth: number): StrictJson {
    this.values += 1;
    if (this.values > MAX_VALUES) throw this.broken(`there are more than ${MAX_VALUES} values`);
    const first = this.peek();
    if (first === BRACE) return this.object(depth);
    if (first === BRACKET) return this.array(depth);
    return first === QUOTE ? this.string() : this.word();
  }

  private object(depth: number): StrictObject {
    const object: StrictObject = new Map();
    this.items(BRACE_END, depth, () => {
      if (this.peek() !== QUOTE) throw this.broken('a key is no string');
      const start = this.at;
      const key = this.string();
      if (object.has(key)) throw this.broken('a key is there twice', start);
      this.expect(COLON);
      object.set(key, this.value(depth + 1));
    });
    return object;
  }

  private array(depth: number): StrictJson[] {
    const array: StrictJson[] = [];
    this.items(BRACKET_END, depth, () => array.push(this.value(depth + 1)));
    return array;
  }

  /** What stands between a bracket and its counterpart, with commas between. */
  private items(close: number, depth: number, item: () => void): void {
    if (depth > MAX_DEPTH) throw this.broken('values lie too deep in each other');
    this.at += 1;
    if (this.peek() === close) {
      this.at += 1;
      return;
    }
    for (;;) {
      item();
      if (this.peek() === close) break;
      this.expect(COMMA);
    }
    this.at += 1;
  }

  private string(): string {
    const start = this.at;
    let end = start + 1;
    while (PLAIN[this.bytes[end]!]) end += 1;
    if (this.bytes[end] === QUOTE) {
      this.at = end + 1;
      return this.bytes.toString('latin1', start + 1, end);
    }
    while (end < this.bytes.length && this.bytes[end] !== QUOTE) end += this.bytes[end] === BACKSLASH ? 2 : 1;
    this.at = end + 1;
    const text = this.parseString(this.bytes.toString('utf8', start, this.at), start);
    if (/\p{Surrogate}/u.test(text)) throw this.broken('a string has half of a surrogate pair', start);
    return text;
  }

  /** JSON's own parser knows escapes, and refuses control characters and a missing quote. */
  private parseString(literal: string, start: number): string {
    try {
      return JSON.parse(literal) as string;
    } catch (error) {
      throw this.broken('a string is broken', start, error);
    }
  }

  private word(): StrictJson {
    const start = this.at;
    while (WORD[this.bytes[this.at]!]) this.at += 1;
    const word = this.bytes.toString('latin1', start, this.at);
    const constant = WORDS.get(word);
    if (constant !== undefined) return constant;
    if (!NUMBER.test(word)) throw this.broken('there is no value', start);
    const number = Number(word);
    if (!Number.isFinite(number)) throw this.broken('a number is out of range', start);
    return WHOLE.test(word) && Number.isSafeInteger(number) ? number : new InexactNumber(word);
  }

  private expect(char: number): void {
    if (this.peek() !== char) throw this.broken(`there is no ${String.fromCharCode(char)}`);
    this.at += 1;
  }

  /** The next byte that is no white space; undefined at the end. */
  private peek(): number | undefined {
    this.skipSpace();
    return this.bytes[this.at];
  }

  private skipSpace(): void {
    while (SPACE[this.bytes[this.at]!]) this.at += 1;
  }

  private broken(why: string, at = this.at, cause?: unknown): FormatError {
    return new FormatError(`${why}, at byte ${at}`, {cause});
  }
}
