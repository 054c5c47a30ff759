import {createReadStream} from 'node:fs';
import {createGunzip} from 'node:zlib';
import {DiskFile} from '../checkpoint/index.js';
import {FileError, FormatError, ZttError} from '../errors.js';
import type {DataFile} from './parts.js';

/**
 * The bytes of a text file, unpacked where its name ends in .gz.
 * @throws FileError if it cannot be read, FormatError if what is packed is broken
 */
export async function* readBytes({path, onRead}: DataFile): AsyncGenerator<Uint8Array> {
  // What is no regular file, or not to be read, is told before anything is done.
  await (await DiskFile.open(path)).close();
  const file = createReadStream(path);
  const packed = /\.gz$/i.test(path);
  const stream = packed ? file.pipe(createGunzip()) : file;
  // pipe() does not pass errors on.
  file.on('error', (error) => stream.destroy(error));
  try {
    let done = 0;
    for await (const chunk of stream) {
      yield chunk as Uint8Array;
      onRead?.(file.bytesRead - done);
      done = file.bytesRead;
    }
  } catch (error) {
    if (error instanceof ZttError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    if (code?.startsWith('Z_')) {
      throw new FormatError(`${path} is no whole gzip file: ${message}.`, {cause: error});
    }
    throw new FileError(`${path} cannot be read: ${code ?? message}.`, {cause: error});
  } finally {
    file.destroy();
  }
}

const NEWLINE = 10;

/** Where a line ends in bytes: the index after its newline, or the length. */
export function lineEnd(bytes: Uint8Array, start: number): number {
  const newline = bytes.indexOf(NEWLINE, start);
  return newline < 0 ? bytes.length : newline + 1;
}

/** Lines that end in bytes. */
export function countNewlines(bytes: Uint8Array): number {
  let lines = 0;
  for (let at = bytes.indexOf(NEWLINE); at >= 0; at = bytes.indexOf(NEWLINE, at + 1)) lines++;
  return lines;
}

/** The error for a line that is no text. A byte of 0 is in no text, but in nearly every other file. */
export function notText(place: string, bytes: Uint8Array, cause?: unknown): FormatError {
  const why = bytes.includes(0)
    ? 'this is a binary file, or UTF-16; give UTF-8 text, .jsonl or .parquet'
    : 'this is no valid UTF-8 text; convert the file to UTF-8';
  return new FormatError(`${place}: ${why}.`, {cause});
}
