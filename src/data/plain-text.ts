import {countNewlines, lineEnd, notText, readBytes} from './bytes.js';
import type {DataFile, Part} from './parts.js';

/**
 * A file of plain text, which is one document, in parts of some tens of kB.
 * @throws FileError if it cannot be read, FormatError naming the line that is no UTF-8
 */
export async function* readPlainText(file: DataFile): AsyncGenerator<Part> {
  const {path} = file;
  const decoder = new TextDecoder('utf-8', {fatal: true});
  let line = 1;
  let begins = true;
  let last: Uint8Array = new Uint8Array();
  const decode = (bytes: Uint8Array, stream: boolean): string => {
    try {
      if (bytes.includes(0)) throw new TypeError('a byte of 0');
      return decoder.decode(bytes, {stream});
    } catch (error) {
      throw notText(`${path}, line ${line + invalidLine(bytes)}`, bytes, error);
    }
  };
  for await (const bytes of readBytes(file)) {
    const text = decode(bytes, true);
    if (text !== '') yield {text, begins, trained: true, place: `${path}, line ${line}`};
    if (text !== '') begins = false;
    line += countNewlines(bytes);
    last = bytes;
  }
  // A character that the end of the file cuts off is told here.
  decode(last.subarray(0, 0), false);
}

/** How many lines of a chunk come before the one that is no text. */
function invalidLine(bytes: Uint8Array): number {
  let line = 0;
  for (let start = 0; start < bytes.length; line++) {
    const end = lineEnd(bytes, start);
    // What the chunk's first line begins with may belong to a character of the chunk before.
    const from = start === 0 ? firstCharacter(bytes) : start;
    const part = bytes.subarray(from, end);
    if (part.includes(0)) return line;
    try {
      // The last line may go on in the next chunk.
      new TextDecoder('utf-8', {fatal: true}).decode(part, {stream: end === bytes.length});
    } catch {
      return line;
    }
    start = end;
  }
  return 0;
}

/** The first byte that can begin a character, after at most three that go on with one. */
function firstCharacter(bytes: Uint8Array): number {
  let at = 0;
  while (at < 3 && (bytes[at]! & 0xc0) === 0x80) at++;
  return at;
}
