import {FormatError} from '../errors.js';
import {lineEnd, notText, readBytes} from './bytes.js';
import type {DataFile, Part} from './parts.js';
import {ArraySplitter, beginsArray, firstByte} from './json-array.js';
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
 * The rows of a JSON file as they are: one a line, where blank lines are skipped, or the elements of one array.
 * @throws FileError if it cannot be read, FormatError naming the line, or the row, that is no JSON object
 */
export async function* jsonRows(file: DataFile): AsyncGenerator<TableRow> {
  const {array, chunks} = await opened(file);
  if (array) {
    let number = 0;
    for await (const element of readElements(file.path, chunks)) {
      const place = `${file.path}, row ${++number}`;
      yield {values: parseRow(decode(element, place), place, 'its rows are one JSON array'), place};
    }
    return;
  }
  let number = 0;
  for await (const line of readLines(file.path, chunks)) {
    const place = `${file.path}, line ${++number}`;
    const text = decode(line, place);
    if (text.trim() !== '')
      yield {values: parseRow(text, place, 'JSON Lines have one whole row a line'), place};
  }
}

/** A file that may be one array. JSON Lines are none, whatever they begin with. */
const MAY_BE_ARRAY = /\.json(\.gz)?$/i;

/** A file's bytes, and whether they are an array's. */
async function opened(file: DataFile): Promise<{array: boolean; chunks: AsyncIterable<Uint8Array>}> {
  const chunks = readBytes(file);
  if (!MAY_BE_ARRAY.test(file.path)) return {array: false, chunks};
  const read: Uint8Array[] = [];
  let first: number | undefined;
  let length = 0;
  while (first === undefined && length <= MAX_LINE_BYTES) {
    const next = await chunks.next();
    if (next.done) break;
    read.push(next.value);
    length += next.value.length;
    first = firstByte(next.value);
  }
  const all = async function* () {
    yield* read;
    yield* chunks;
  };
  return {array: beginsArray(first), chunks: all()};
}

/** The elements of a file that is one array, as bytes. */
async function* readElements(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const splitter = new ArraySplitter();
  for await (const chunk of chunks) {
    yield* splitter.add(chunk);
    if (splitter.pending > MAX_LINE_BYTES) {
      throw new FormatError(
        `${path}: a row of its JSON array is longer than ${MAX_LINE_BYTES >> 20} MiB, more than is held in memory; split its text over several rows, or give it as a plain text file.`,
      );
    }
  }
  if (!splitter.isWhole()) {
    throw new FormatError(
      `${path}: its JSON array of rows is not whole; fetch the file again, or write one row a line.`,
    );
  }
}

/** A file's lines as bytes. */
async function* readLines(path: string, chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  let line = 1;
  for await (const bytes of chunks) {
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

/** @param form - what the file's rows are, for messages */
function parseRow(text: string, place: string, form: string): Record<string, unknown> {
  let row: unknown;
  try {
    row = parseJson(text);
  } catch (error) {
    throw new FormatError(`${place} is no valid JSON: ${(error as Error).message}; ${form}.`, {cause: error});
  }
  if (Array.isArray(row)) {
    throw new FormatError(
      `${place}: expected a row {"column": value, ...}, not an array; an array of rows is read from a .json file.`,
    );
  }
  if (typeof row !== 'object' || row === null) {
    throw new FormatError(`${place}: expected a row {"column": value, ...}.`);
  }
  return row as Record<string, unknown>;
}

/** As JSON.parse, and NaN and Infinity, which Python's json writes, are null. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (!/NaN|Infinity/.test(text)) throw error;
    return JSON.parse(withoutNaN(text));
  }
}

/** A JSON text whose NaN, Infinity and -Infinity are null; those within strings stay. */
function withoutNaN(text: string): string {
  const parts: string[] = [];
  let at = 0;
  while (at < text.length) {
    const open = text.indexOf('"', at);
    const outside = open < 0 ? text.slice(at) : text.slice(at, open);
    parts.push(outside.replace(/-?\b(?:NaN|Infinity)\b/g, 'null'));
    if (open < 0) break;
    const end = stringEnd(text, open);
    parts.push(text.slice(open, end));
    at = end;
  }
  return parts.join('');
}

/** The place behind a string that opens at a quote. */
function stringEnd(text: string, open: number): number {
  for (let close = text.indexOf('"', open + 1); close >= 0; close = text.indexOf('"', close + 1)) {
    let backslashes = 0;
    while (text[close - 1 - backslashes] === '\\') backslashes++;
    if (backslashes % 2 === 0) return close + 1;
  }
  return text.length;
}
