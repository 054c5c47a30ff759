import {createHash} from 'node:crypto';
import type {FileHandle} from 'node:fs/promises';
import type {z} from 'zod';
import {FileError, FormatError} from '../errors.js';
import {openRegular} from './own-file.js';

/** No config, index or tokenizer file comes near this; what is larger is not read. */
const MAX_JSON_BYTES = 256 << 20;

/**
 * A small file's text.
 * @throws FileError if it is missing, unreadable or larger than any such file is.
 */
export async function readText(path: string, maxBytes = MAX_JSON_BYTES): Promise<string> {
  let handle: FileHandle | undefined;
  try {
    handle = await openRegular(path);
    const {size} = await handle.stat();
    if (size > maxBytes) {
      throw new FileError(`${path} has ${size} bytes; at most ${maxBytes} are read.`);
    }
    return await handle.readFile('utf8');
  } catch (error) {
    if (error instanceof FileError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    throw new FileError(
      `${path} cannot be read: ${code === 'ENOENT' ? 'no such file' : (code ?? message)}.`,
      {
        cause: error,
      },
    );
  } finally {
    await handle?.close();
  }
}

/**
 * A JSON file, parsed by its schema.
 * @throws FileError as `readText`; FormatError naming the file and the first value that does not fit.
 */
export async function readJson<T extends z.ZodType>(
  path: string,
  schema: T,
  maxBytes = MAX_JSON_BYTES,
): Promise<z.output<T>> {
  const text = await readText(path, maxBytes);
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(`${path} is no valid JSON: ${whyNoJson(text, error as Error)}.`, {cause: error});
  }
  return parseWith(schema, value, path);
}

/** What stands in a git repo for a large file begins so. */
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';

function whyNoJson(text: string, {message}: Error): string {
  if (text.startsWith(LFS_POINTER)) return 'it is a pointer of Git LFS to the file; run `git lfs pull` there';
  if (text.startsWith('\uFEFF')) return 'it begins with a byte order mark; save it as UTF-8 without one';
  return message;
}

/** A value parsed by its schema. @throws FormatError naming `where` and the first value that does not fit. */
export function parseWith<T extends z.ZodType>(schema: T, value: unknown, where: string): z.output<T> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = issue?.path.length ? ` at ${issue.path.join('.')}` : '';
  throw new FormatError(`${where}${path}: ${issue?.message ?? 'not as expected'}.`);
}

/** The sha256, in hex, of a value's JSON: the same for the same content in the same order. */
export const jsonSha256 = (value: unknown): string =>
  createHash('sha256').update(JSON.stringify(value)).digest('hex');
