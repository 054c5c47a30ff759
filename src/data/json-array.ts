/** Bytes of the JSON that tell where a value ends. */
const [QUOTE, BACKSLASH, COMMA] = [0x22, 0x5c, 0x2c];
const [OPEN, CLOSE, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** White space of JSON, and the bytes of a byte order mark, which may stand before it. */
const BLANK = new Set([0x20, 0x09, 0x0a, 0x0d, 0xef, 0xbb, 0xbf]);

/** The first byte of a chunk that is no white space; undefined where there is none. */
export const firstByte = (chunk: Uint8Array): number | undefined => chunk.find((byte) => !BLANK.has(byte));

/** Whether a JSON text that begins so is an array. */
export const beginsArray = (byte: number | undefined): boolean => byte === OPEN;

/**
 * Cuts the bytes of one JSON array into its elements, so that a file of any size is read with one of them in memory.
 * What is no JSON is found where an element is parsed, or by `end`.
 */
export class ArraySplitter {
  private depth = 0;
  private inString = false;
  private escaped = false;
  private begun = false;
  private elements = 0;
  private parts: Uint8Array[] = [];
  private length = 0;

  /** Bytes of the element that is not whole yet. */
  get pending(): number {
    return this.length;
  }

  /** The elements that a chunk completes. */
  *add(chunk: Uint8Array): Generator<Uint8Array> {
    let start = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (this.inString) {
        if (this.escaped) this.escaped = false;
        else if (byte === BACKSLASH) this.escaped = true;
        else if (byte === QUOTE) this.inString = false;
        continue;
      }
      if (byte === QUOTE) this.inString = true;
      else if (byte === OPEN || byte === OPEN_OBJECT) {
        this.depth++;
        if (this.begun || this.depth > 1) continue;
        this.begun = true;
        start = at + 1;
      } else if (byte === CLOSE || byte === CLOSE_OBJECT) this.depth--;
      const ends = (byte === COMMA && this.depth === 1) || (byte === CLOSE && this.depth === 0);
      if (!ends) continue;
      this.keep(chunk.subarray(start, at));
      start = at + 1;
      const element = this.take();
      // `[]` has no element.
      if (byte === CLOSE && this.elements === 0 && firstByte(element) === undefined) continue;
      this.elements++;
      yield element;
    }
    this.keep(chunk.subarray(start));
  }

  /** Whether the array has ended, and nothing but white space follows it. */
  isWhole(): boolean {
    return this.begun && this.depth === 0 && firstByte(this.take()) === undefined;
  }

  private keep(part: Uint8Array): void {
    if (part.length === 0) return;
    this.parts.push(part);
    this.length += part.length;
  }

  private take(): Uint8Array {
    const all = Buffer.concat(this.parts, this.length);
    this.parts = [];
    this.length = 0;
    return all;
  }
}
