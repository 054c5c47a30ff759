import {FormatError} from '../errors.js';
import {readJsonLines} from './json-lines.js';
import {readParquet} from './parquet.js';
import type {DataFile, Part} from './parts.js';
import {readPlainText} from './plain-text.js';

export const JSON_LINES = /\.(jsonl|ndjson|json)(\.gz)?$/i;
export const PARQUET = /\.parquet$/i;

/** Whether a file has rows with columns; any other is plain text. */
export const hasColumns = (path: string): boolean => JSON_LINES.test(path) || PARQUET.test(path);

/**
 * The documents of a data file, in parts: a row of a .jsonl or .parquet file is one, and so is any other file, which
 * is taken for plain text.
 * @throws FileError if it cannot be read; FormatError if it holds no text, and naming what is not as it must be: the
 *   file and the line, or the row of a parquet file
 */
export async function* readDocuments(file: DataFile): AsyncGenerator<Part> {
  let blank = true;
  for await (const part of read(file)) {
    blank &&= part.text.trim() === '';
    yield part;
  }
  if (blank) throw new FormatError(`${file.path} holds no text.`);
}

function read(file: DataFile): AsyncGenerator<Part> {
  if (JSON_LINES.test(file.path)) return readJsonLines(file);
  return PARQUET.test(file.path) ? readParquet(file) : readPlainText(file);
}
