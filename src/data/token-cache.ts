import {createHash} from 'node:crypto';
import {rm} from 'node:fs/promises';
import {homedir} from 'node:os';
import {join} from 'node:path';
import {clearAbandoned, DiskFile, exists, writeFolder} from '../checkpoint/index.js';
import {FileError, FormatError, InterruptedError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {pruneCache, type CacheBounds} from './cache-bounds.js';
import {DocumentEncoder} from './document-encoder.js';
import {readDocuments} from './documents.js';
import type {DataFile} from './parts.js';
import {BEGINS, TokenFile, TokenWriter, UNTRAINED} from './token-file.js';

/** Counts up when what is written for the same text changes. */
const VERSION = 2;

/** Tells how much of the files of a source is read. */
export type DataProgress = (phase: 'checking' | 'tokenising', doneBytes: number, totalBytes: number) => void;

export interface TokenOptions {
  tokenizer: Tokenizer;
  /** Rows of the model's embedding: a text with another token is refused. Default: any token will do. */
  vocabulary?: number;
  /**
   * Put before the first document and behind every one, unless the tokenizer puts tokens of its own around a text,
   * as OPT's `</s>` before: they mark where documents begin. Null for none.
   */
  separator: number | null;
  /** The folder of the token cache; `cacheFolder()` unless given. */
  cache?: string;
  /** What the cache may hold. */
  cacheBounds?: CacheBounds;
  /** Called as files are read: once to know them, once more where they are not in the cache. */
  onRead?: DataProgress;
  onNote?: (line: string) => void;
  signal?: AbortSignal;
}

/** Where tokens are kept: `$ZTT_CACHE`, else `$XDG_CACHE_HOME/ztt`, else `~/.cache/ztt`. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env.ZTT_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ztt');
}

/**
 * The tokens of files, from the cache if they are there: kept by the files' content, their columns, the tokenizer and
 * the separator, whatever the files are called. What is broken there is made anew.
 * @param name - as notes name the files
 * @throws FileError or FormatError for a file that cannot be read or has tokens that the model has not,
 *   InterruptedError after an abort
 */
export async function cachedTokens(
  name: string,
  files: readonly DataFile[],
  options: TokenOptions,
): Promise<TokenFile> {
  const {tokenizer, vocabulary = Infinity} = options;
  const tokens = await findOrWrite(name, files, options);
  try {
    tokenizer.requireRows([tokens.largestId], vocabulary, name);
    return tokens;
  } catch (error) {
    await tokens.close();
    throw error;
  }
}

async function findOrWrite(
  name: string,
  files: readonly DataFile[],
  options: TokenOptions,
): Promise<TokenFile> {
  const {tokenizer, separator} = options;
  const sizes = await Promise.all(files.map(({path}) => sizeOf(path)));
  const reading = progressOf(sizes, options);
  const contents: string[] = [];
  for (const {path} of files) contents.push(await sha256Of(path, reading.phase('checking')));
  const rows = files.map(({path, column}, i) => [contents[i], kindOf(path), column ?? null]);
  const key = createHash('sha256')
    .update(JSON.stringify([VERSION, rows, tokenizer.sha256(), separator]))
    .digest('hex');
  const cache = join(options.cache ?? cacheFolder(), 'tokens');
  await clearAbandoned(cache);
  const folder = join(cache, key);
  if (await exists(folder)) {
    try {
      const kept = await TokenFile.open(folder);
      options.onNote?.(`${name}: ${kept.tokens} tokens from the token cache`);
      return kept;
    } catch (error) {
      if (!(error instanceof FormatError || error instanceof FileError)) throw error;
      options.onNote?.(`${name}: the token cache is broken, and made anew: ${error.message}`);
      await rm(folder, {recursive: true, force: true});
    }
  }
  const onRead = reading.phase('tokenising');
  await writeTokens(
    folder,
    files.map((file) => ({...file, onRead})),
    options,
  );
  const tokens = await TokenFile.open(folder);
  const gone = await pruneCache(cache, options.cacheBounds);
  if (gone.entries > 0) {
    const entries = gone.entries === 1 ? '1 entry' : `${gone.entries} entries`;
    options.onNote?.(`token cache: removed ${entries} long not used, ${gone.bytes} bytes`);
  }
  return tokens;
}

async function writeTokens(
  folder: string,
  files: readonly DataFile[],
  {tokenizer, separator}: TokenOptions,
): Promise<void> {
  await writeFolder(folder, async (stage) => {
    const writer = await TokenWriter.create(stage);
    const encoder = new DocumentEncoder(tokenizer);
    const marks = marksOf(tokenizer, separator);
    try {
      await writer.add(marks.first, 0);
      for (const file of files) await tokenise(file, encoder, writer, marks);
      await writer.finish();
    } finally {
      await writer.close();
    }
  }).catch(async (error: unknown) => {
    // Another process may have written the same meanwhile.
    if (!(await exists(folder))) throw error;
  });
}

/** The ids that tell documents apart: before the first of all, before each and behind each. */
interface Marks {
  first: readonly number[];
  before: readonly number[];
  after: readonly number[];
}

function marksOf({surroundings}: Tokenizer, separator: number | null): Marks {
  if (surroundings.before.length + surroundings.after.length > 0) return {first: [], ...surroundings};
  const own = separator === null ? [] : [separator];
  return {first: own, before: [], after: own};
}

/** Writes a file's documents, each with its marks; one without any text has none. */
async function tokenise(
  file: DataFile,
  encoder: DocumentEncoder,
  writer: TokenWriter,
  marks: Marks,
): Promise<void> {
  let beginning = 0;
  let untrained = 0;
  const write = async (ids: readonly number[]) => {
    if (ids.length === 0) return;
    if (beginning) await writer.add(marks.before, 0);
    await writer.add(ids, beginning + untrained);
    beginning = 0;
  };
  const endDocument = async () => {
    await write(encoder.end());
    if (beginning === 0) await writer.add(marks.after, 0);
  };
  let first = true;
  for await (const part of readDocuments(file)) {
    if (part.begins) {
      if (!first) await endDocument();
      first = false;
      beginning = BEGINS;
    } else if (part.trained !== (untrained === 0)) {
      // A completion is encoded by itself: whoever generates it has only the prompt's ids before.
      await write(encoder.end());
    }
    untrained = part.trained ? 0 : UNTRAINED;
    await write(encoder.add(part.text, part.place));
  }
  await endDocument();
}

/** What decides how a file is read, of its name. */
const kindOf = (path: string): string => /(\.\w+)?(\.gz)?$/i.exec(path)![0].toLowerCase();

async function sizeOf(path: string): Promise<number> {
  const file = await DiskFile.open(path);
  await file.close();
  return file.size;
}

async function sha256Of(path: string, onRead: (bytes: number) => void): Promise<string> {
  const hash = createHash('sha256');
  const file = await DiskFile.open(path);
  try {
    for await (const chunk of file.chunks(0, file.size)) {
      hash.update(chunk);
      onRead(chunk.length);
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Counts what is read of files in each phase, and stops at an abort. */
function progressOf(sizes: readonly number[], {onRead, signal}: TokenOptions) {
  const total = sizes.reduce((sum, size) => sum + size, 0);
  return {
    phase(phase: 'checking' | 'tokenising') {
      let done = 0;
      return (bytes: number) => {
        if (signal?.aborted) {
          throw new InterruptedError(
            'stopped while the data was read; nothing of it is kept: run the same command again.',
          );
        }
        done += bytes;
        onRead?.(phase, done, total);
      };
    },
  };
}
