import {DiskFile} from '../checkpoint/index.js';
import {FormatError, UnsupportedError} from '../errors.js';
import {readJsonLines} from './json-lines.js';
import {readParquet} from './parquet.js';
import type {DataFile, Part} from './parts.js';
import {readPlainText} from './plain-text.js';

export const JSON_LINES = /\.(jsonl|ndjson|json)(\.gz)?$/i;
export const PARQUET = /\.parquet$/i;

/** Tables that ztt does not read: as plain text their marks and other columns would be trained on. */
const TABLES = /\.(csv|tsv)(\.gz)?$/i;

/** @throws UnsupportedError for a file whose name says that it holds a table of another kind */
export function requireKnownKind(path: string): void {
  const kind = TABLES.exec(path)?.[1];
  if (kind === undefined) return;
  throw new UnsupportedError(
    `${path} is a .${kind.toLowerCase()} table, which ztt does not read; write its rows as .jsonl or .parquet, or name a copy .txt to train on it as it stands.`,
  );
}

/** Whether a file has rows with columns; any other is plain text. */
export const hasColumns = (path: string): boolean => JSON_LINES.test(path) || PARQUET.test(path);

/**
 * The documents of a data file, in parts: a row of a .jsonl or .parquet file is one, and so is any other file, which
 * is taken for plain text.
 * @throws FileError if it cannot be read; UnsupportedError for a table of another kind; FormatError if it holds no text,
 *   or far more than its size, and naming what is not as it must be: the
 *   file and the line, or the row of a parquet file
 */
export async function* readDocuments(file: DataFile): AsyncGenerator<Part> {
  const limit = await maxCharacters(file.path);
  let blank = true;
  let characters = 0;
  for await (const part of read(file)) {
    blank &&= part.text.trim() === '';
    characters += part.text.length;
    if (characters > limit) {
      throw new FormatError(
        `${part.place}: the file unpacks to more than ${limit} characters, ${MAX_RATIO} times its size; is it meant to? Unpack it yourself if it is.`,
      );
    }
    yield part;
  }
  if (blank) throw new FormatError(`${file.path} holds no text.`);
}

/** Characters of text in a byte of a file: packed text has some ten, and what repeats itself a hundred. */
const MAX_RATIO = 1000;

/** What a small file may unpack to, whatever its size. */
const MAX_OF_SMALL = 32 << 20;

/** The most characters of text that a file may hold: a few bytes can stand for more than a disk has room for. */
async function maxCharacters(path: string): Promise<number> {
  const file = await DiskFile.open(path);
  await file.close();
  return MAX_OF_SMALL + MAX_RATIO * file.size;
}

function read(file: DataFile): AsyncGenerator<Part> {
  requireKnownKind(file.path);
  if (JSON_LINES.test(file.path)) return readJsonLines(file);
  return PARQUET.test(file.path) ? readParquet(file) : readPlainText(file);
}
