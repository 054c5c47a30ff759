import {rm} from 'node:fs/promises';
import {availableParallelism, homedir} from 'node:os';
import {join} from 'node:path';
import {clearAbandoned, exists, jsonSha256, writeFolder} from '../files/index.js';
import {FileError, FormatError, InterruptedError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {pruneCache, type CacheBounds} from './cache-bounds.js';
import {openContent, type Content, type OpenedContent} from './contents.js';
import {encodePieces, type EncodedPiece} from './encode-pieces.js';
import {BEGINS, TokenFile, TokenWriter, UNTRAINED} from './token-file.js';

/** Counts up when what is written for the same text changes. */
const VERSION = 2;

/** Bytes of text from which on threads are worth their start, a fifth of a second each. */
const LARGE = 32 << 20;

/** More would wait for the one that reads. Each takes some 100 MB. */
const MAX_THREADS = 8;

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
  /** Threads that encode large files, at most; as many as the processor has, up to 8, unless given. */
  threads?: number;
}

/** Where tokens are kept: `$ZTT_CACHE`, else `$XDG_CACHE_HOME/ztt`, else `~/.cache/ztt`. */
export function cacheFolder(env: Readonly<Record<string, string | undefined>> = process.env): string {
  return env.ZTT_CACHE || join(env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'ztt');
}

/**
 * The tokens of files or of a synthetic task, from the cache if they are there: kept by the files' content, their
 * columns, the tokenizer and the separator, whatever the files are called. What is broken there is made anew.
 * @param name - as notes name the content
 * @throws FileError or FormatError for a file that cannot be read or has tokens that the model has not, UsageError for
 *   a synthetic task with too few questions, InterruptedError after an abort
 */
export async function cachedTokens(
  name: string,
  content: Content,
  options: TokenOptions,
): Promise<TokenFile> {
  const {tokenizer, vocabulary = Infinity} = options;
  const tokens = await findOrWrite(name, content, options);
  try {
    tokenizer.requireRows([tokens.largestId], vocabulary, name);
    return tokens;
  } catch (error) {
    await tokens.close();
    throw error;
  }
}

async function findOrWrite(name: string, content: Content, options: TokenOptions): Promise<TokenFile> {
  const {tokenizer, separator} = options;
  const opened = await openContent(content);
  const reading = progressOf(opened.bytes, options);
  const identity = await opened.identity(reading.phase('checking'));
  const key = jsonSha256([VERSION, identity, tokenizer.sha256(), separator]);
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
  await writeTokens(folder, opened, reading.phase('tokenising'), options);
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
  content: OpenedContent,
  onRead: (bytes: number) => void,
  {tokenizer, separator, threads}: TokenOptions,
): Promise<void> {
  await writeFolder(folder, async (stage) => {
    const writer = await TokenWriter.create(stage);
    try {
      const pieces = content.pieces(tokenizer, onRead);
      const encoded = encodePieces(pieces, tokenizer, threadsFor(content.bytes, threads));
      await writeDocuments(encoded, writer, marksOf(tokenizer, content.separated ? separator : null));
      await writer.finish();
    } finally {
      await writer.close();
    }
  }).catch(async (error: unknown) => {
    // Another process may have written the same meanwhile.
    if (!(await exists(folder))) throw error;
  });
}

/** How many threads are worth starting for so much text. */
function threadsFor(bytes: number, atMost = Math.min(availableParallelism(), MAX_THREADS)): number {
  return bytes < LARGE || atMost < 2 ? 0 : atMost;
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

/** Writes documents, each with its marks; one without any text has none. */
async function writeDocuments(
  pieces: AsyncIterable<EncodedPiece>,
  writer: TokenWriter,
  marks: Marks,
): Promise<void> {
  await writer.add(marks.first, 0);
  /** Whether the document has tokens by now. */
  let begun = false;
  for await (const {ids, begins, trained} of pieces) {
    if (begins && begun) await writer.add(marks.after, 0);
    if (begins) begun = false;
    if (ids.length === 0) continue;
    if (!begun) await writer.add(marks.before, 0);
    await writer.add(ids, (begun ? 0 : BEGINS) + (trained ? 0 : UNTRAINED));
    begun = true;
  }
  if (begun) await writer.add(marks.after, 0);
}

/** Counts what is read in each phase, and stops at an abort. */
function progressOf(total: number, {onRead, signal}: TokenOptions) {
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
