import {Worker} from 'node:worker_threads';
import {compiledFile} from '../../compiled-file.js';
import {FileError, ZttError} from '../../errors.js';
import {reuseChunk, shareChunk} from './chunk-memory.js';

/** Bytes of a file that lie in a row. */
export interface FilePlace {
  path: string;
  start: number;
  /** One past the last. */
  end: number;
}

/** What the thread is told: a hash's next bytes; */
export interface ChunkOrder {
  /** Names the hash. */
  id: number;
  chunk: Uint8Array;
}

/** or where they lie, or null for its end; */
export interface HashOrder {
  id: number;
  next: FilePlace | null;
}

/** or two places whose bytes may be the same. */
export interface Comparison {
  places: readonly [FilePlace, FilePlace];
}

export type Order = ChunkOrder | HashOrder | Comparison;

/** What it answers, a few at a time, to each order in turn: a hash, whether places are the same, or null once bytes were taken. */
export type Answer = {done: string | boolean | null} | {failure: string};

const WORKER = compiledFile('./byte-worker.js', import.meta.url);

/** Chunks that a hash may be behind whoever gives them. */
const MAX_BEHIND = 2;

/** One sha256, of bytes that are added one after the other. */
export interface ThreadHash {
  /** Adds bytes that the thread reads itself. */
  addPlace(place: FilePlace): void;
  /**
   * Adds a chunk, which may not be changed from now on; to give it to `reuseChunk` is well. Returns once the thread is
   * not far behind.
   * @throws ZttError if the thread breaks down
   */
  add(chunk: Uint8Array): Promise<void>;
  /**
   * The sha256, in hex.
   * @throws FileError if any of the bytes could not be read; ZttError if the thread breaks down
   */
  finish(): Promise<string>;
}

interface Waiting {
  resolve: (answer: string | boolean | null) => void;
  reject: (error: Error) => void;
}

/**
 * A thread that hashes and compares bytes, beside one that reads and writes: to hash them takes longer than to copy them.
 * Chunks for two hashes by turns take as long as those of one, where `hashesInPairs`.
 * It starts with the first order.
 */
export class ByteThread {
  private worker: Worker | null = null;
  private hashes = 0;
  /** For each order without an answer, in turn. */
  private readonly waiting: Waiting[] = [];
  private broken: Error | null = null;

  begin(): ThreadHash {
    const id = this.hashes++;
    const behind: Promise<unknown>[] = [];
    return {
      // What fails is told by `finish`.
      addPlace: (place) => void this.send({id, next: place}).catch(() => undefined),
      add: async (chunk) => {
        shareChunk(chunk);
        const hashed = this.send({id, chunk: sendable(chunk)}).finally(() => reuseChunk(chunk));
        hashed.catch(() => undefined);
        if (behind.push(hashed) > MAX_BEHIND) await behind.shift();
      },
      finish: async () => (await this.send({id, next: null})) as string,
    };
  }

  /** The sha256 of some bytes of a file, in hex. @throws as `ThreadHash.finish` */
  async sha256(place: FilePlace): Promise<string> {
    const hash = this.begin();
    hash.addPlace(place);
    return hash.finish();
  }

  /** Whether two places have the same bytes. @throws FileError if they cannot be read; ZttError as `ThreadHash.add` */
  async same(one: FilePlace, other: FilePlace): Promise<boolean> {
    return (await this.send({places: [one, other]})) as boolean;
  }

  /** Stops the thread, whatever it is at. */
  async end(): Promise<void> {
    await this.worker?.terminate();
  }

  private send(order: Order): Promise<string | boolean | null> {
    if (this.broken) return Promise.reject(this.broken);
    this.worker ??= this.start();
    this.worker.postMessage(order);
    return new Promise((resolve, reject) => this.waiting.push({resolve, reject}));
  }

  private start(): Worker {
    const worker = new Worker(WORKER);
    worker.on('message', (answers: Answer[]) => {
      for (const answer of answers) {
        const {resolve, reject} = this.waiting.shift()!;
        if ('failure' in answer) reject(new FileError(answer.failure));
        else resolve(answer.done);
      }
    });
    worker.on('error', (error) => {
      this.broken = new ZttError(`a thread that reads files broke down: ${error.message}.`, {cause: error});
      for (const {reject} of this.waiting.splice(0)) reject(this.broken);
    });
    return worker;
  }
}

/** The bytes as a message carries them: shared memory as it is; other memory is copied whole, so no more than these. */
const sendable = (chunk: Uint8Array): Uint8Array => {
  const {buffer, byteLength} = chunk;
  return buffer instanceof SharedArrayBuffer || buffer.byteLength === byteLength
    ? chunk
    : new Uint8Array(chunk);
};
