import {FormatError} from '../errors.js';
import {lineEnd, notText, readBytes} from './bytes.js';
import type {DataFile, Part} from './parts.js';
import {documentColumns, rowParts, type TableRow} from './rows.js';

/** A longer line is refused: its row must be held in memory, as bytes, as text and as tokens. */
const MAX_LINE_BYTES = 64 << 20;

/**
 * The documents of a JSON Lines file: one row a line; blank lines are skipped.
 * @throws FileError if it cannot be read, FormatError naming the line that is not as it must be
 */
export async function* readJsonLines(file: DataFile): AsyncGenerator<Part> {
  for await (const {values, place} of jsonRows(file)) {
    const columns = documentColumns(Object.keys(values), file.column, place);
    yield* rowParts(
      columns,
      columns.map((name) => values[name]),
      place,
    );
  }
}

/**
 * The rows of a JSON Lines file as they are; blank lines are skipped.
 * @throws FileError if it cannot be read, FormatError naming the line that is no JSON object
 */
export async function* jsonRows(file: DataFile): AsyncGenerator<TableRow> {
  let number = 0;
  for await (const line of readLines(file)) {
    const place = `${file.path}, line ${++number}`;
    const text = decode(line, place);
    if (text.trim() !== '') yield {values: parseRow(text, place), place};
  }
}

/** A file's lines as bytes. */
async function* readLines(file: DataFile): AsyncGenerator<Uint8Array> {
  const {path} = file;
  let parts: Uint8Array[] = [];
  let length = 0;
  let line = 1;
  for await (const bytes of readBytes(file)) {
    for (let start = 0; start < bytes.length;) {
      const end = lineEnd(bytes, start);
      parts.push(bytes.subarray(start, end));
      length += end - start;
      if (length > MAX_LINE_BYTES) {
        throw new FormatError(
          `${path}, line ${line}: the row is longer than ${MAX_LINE_BYTES >> 20} MiB, more than is held in memory; split its text over several rows, or give it as a plain text file.`,
        );
      }
      start = end;
      if (bytes[end - 1] !== 10) continue;
      yield Buffer.concat(parts, length);
      parts = [];
      length = 0;
      line++;
    }
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

function decode(line: Uint8Array, place: string): string {
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(line);
  } catch (error) {
    throw notText(place, line, error);
  }
}

function parseRow(text: string, place: string): Record<string, unknown> {
  let row: unknown;
  try {
    row = JSON.parse(text);
  } catch (error) {
    throw new FormatError(
      `${place} is no valid JSON: ${(error as Error).message}; JSON Lines have one whole row a line.`,
      {
        cause: error,
      },
    );
  }
  if (typeof row !== 'object' || row === null || Array.isArray(row)) {
    throw new FormatError(`${place}: expected a row {"column": value, ...}.`);
  }
  return row as Record<string, unknown>;
}
