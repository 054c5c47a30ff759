import {readFile, stat} from 'node:fs/promises';
import {extname} from 'node:path';
import {z} from 'zod';
import {parseWith} from '../checkpoint/index.js';
import {FileError, FormatError, UsageError} from '../errors.js';

/** A file is read whole: beyond this it would not fit a string. */
const MAX_FILE_BYTES = 256 << 20;

const rowSchema = z.looseObject({text: z.string('expected a string')});

/**
 * The documents of a data file: a .jsonl file has one a line under `text`, any other is one of plain text.
 * @throws FileError if it cannot be read, FormatError naming the line that is not as it must be
 */
export async function readDocuments(path: string): Promise<string[]> {
  const text = await readUtf8(path);
  const documents = extname(path) === '.jsonl' ? jsonLines(text, path) : [text];
  if (documents.every((document) => document.trim() === '')) {
    throw new FormatError(`${path} holds no text.`);
  }
  return documents;
}

async function readUtf8(path: string): Promise<string> {
  const bytes = await readBytes(path);
  try {
    return new TextDecoder('utf-8', {fatal: true}).decode(bytes);
  } catch (error) {
    throw new FormatError(`${path}, line ${invalidLine(bytes)}: this is no valid UTF-8 text.`, {
      cause: error,
    });
  }
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    const {size} = await stat(path);
    if (size > MAX_FILE_BYTES) {
      throw new UsageError(`${path} has ${size} bytes; at most ${MAX_FILE_BYTES} a file are read: split it.`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    const {code} = error as NodeJS.ErrnoException;
    throw new FileError(`${path} cannot be read: ${code === 'ENOENT' ? 'no such file' : code}.`, {
      cause: error,
    });
  }
}

/** The first line (1-based) that is no valid UTF-8. */
function invalidLine(bytes: Buffer): number {
  const decoder = new TextDecoder('utf-8', {fatal: true});
  let line = 1;
  for (let start = 0; start < bytes.length; line++) {
    const newline = bytes.indexOf(10, start);
    const end = newline < 0 ? bytes.length : newline + 1;
    try {
      decoder.decode(bytes.subarray(start, end));
    } catch {
      return line;
    }
    start = end;
  }
  return line;
}

function jsonLines(text: string, path: string): string[] {
  return text.split('\n').flatMap((line, index) => {
    if (line.trim() === '') return [];
    const where = `${path}, line ${index + 1}`;
    let row: unknown;
    try {
      row = JSON.parse(line);
    } catch (error) {
      throw new FormatError(`${where} is no valid JSON: ${(error as Error).message}.`, {cause: error});
    }
    return [parseWith(rowSchema, row, where).text];
  });
}
