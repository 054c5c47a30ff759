import {FormatError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';
import {EncoderThread} from './encoder-thread.js';
import type {Part} from './parts.js';

/** A piece of a document with its token ids. */
export interface EncodedPiece extends Part {
  ids: ArrayLike<number>;
}

/** Characters that a thread is given at once, about. */
const BATCH = 1 << 17;

/** Batches for each thread that are read ahead, so that none waits for another. */
const AHEAD = 2;

/**
 * Encodes pieces, each by itself, in their order; whatever the threads, they come out the same.
 * @param threads - that encode beside this one, which reads; 0 for none
 * @throws FormatError naming the place of a piece that cannot be encoded
 */
export async function* encodePieces(
  pieces: AsyncIterable<Part>,
  tokenizer: Tokenizer,
  threads: number,
): AsyncGenerator<EncodedPiece> {
  if (threads > 0) {
    yield* encodeInThreads(pieces, tokenizer, threads);
    return;
  }
  for await (const piece of pieces) {
    let ids: number[];
    try {
      ids = tokenizer.encode(piece.text, false);
    } catch (error) {
      throw error instanceof FormatError ? placed(error.message, piece, error) : error;
    }
    yield {...piece, ids};
  }
}

async function* encodeInThreads(
  pieces: AsyncIterable<Part>,
  tokenizer: Tokenizer,
  count: number,
): AsyncGenerator<EncodedPiece> {
  const threads = Array.from({length: count}, () => new EncoderThread(tokenizer));
  const batches = batchesOf(pieces);
  const ahead: Promise<EncodedPiece[]>[] = [];
  // What reading throws is told in its turn, after the pieces before it.
  let failure: {error: unknown} | undefined;
  const read = async () => {
    try {
      return await batches.next();
    } catch (error) {
      failure = {error};
      return {done: true} as const;
    }
  };
  try {
    for (let turn = 0; ; turn++) {
      const next = await read();
      if (next.done) break;
      const batch = encodeBatch(next.value, threads[turn % count]!);
      // Nobody may be waiting for it yet when it fails.
      batch.catch(() => {});
      ahead.push(batch);
      if (ahead.length > AHEAD * count) yield* await ahead.shift()!;
    }
    for (const batch of ahead) yield* await batch;
    if (failure) throw failure.error;
  } finally {
    for (const thread of threads) await thread.end();
  }
}

/** Pieces together, as long as they are small; those before what reading throws come before it. */
async function* batchesOf(pieces: AsyncIterable<Part>): AsyncGenerator<Part[]> {
  let batch: Part[] = [];
  let characters = 0;
  try {
    for await (const piece of pieces) {
      batch.push(piece);
      characters += piece.text.length;
      if (characters < BATCH) continue;
      yield batch;
      batch = [];
      characters = 0;
    }
  } catch (error) {
    if (batch.length > 0) yield batch;
    throw error;
  }
  if (batch.length > 0) yield batch;
}

async function encodeBatch(pieces: readonly Part[], thread: EncoderThread): Promise<EncodedPiece[]> {
  const {ids, ends, failure} = await thread.encode(pieces.map(({text}) => text));
  if (failure) throw placed(failure.message, pieces[ends.length]!);
  return pieces.map((piece, i) => ({...piece, ids: ids.subarray(i > 0 ? ends[i - 1] : 0, ends[i])}));
}

const placed = (message: string, {place}: Part, cause?: unknown): FormatError =>
  new FormatError(`${place}: ${message}`, {cause});
