import {Worker} from 'node:worker_threads';
import {FileError, ZttError} from '../errors.js';

/** Bytes of a file that lie in a row. */
export interface FilePlace {
  path: string;
  start: number;
  /** One past the last. */
  end: number;
}

/** What the thread is told: the next bytes of a hash. */
export interface HashOrder extends FilePlace {
  /** Names the hash. */
  id: number;
  /** Whether the hash is finished with them, and asked for. */
  last: boolean;
}

export type HashAnswer = {id: number; sha256: string} | {id: number; path: string; failure: string};

/** Compiled, even where this file is not: threads do not read TypeScript. */
const WORKER = new URL(
  import.meta.url.endsWith('.ts') ? '../../dist/checkpoint/hash-worker.js' : './hash-worker.js',
  import.meta.url,
);

/** One sha256, of bytes that are added from place to place. */
export interface ThreadHash {
  add(place: FilePlace): void;
  /**
   * The sha256 with these last bytes, in hex.
   * @throws FileError if any of the bytes could not be read; ZttError if the thread breaks down
   */
  finish(place: FilePlace): Promise<string>;
}

interface Waiting {
  resolve: (sha256: string) => void;
  reject: (error: Error) => void;
}

/**
 * A thread that reads files and hashes them, beside one that copies them: to hash bytes takes longer than to read or to
 * write them. It starts with the first order.
 */
export class HashThread {
  private worker: Worker | null = null;
  private hashes = 0;
  /** By hash. */
  private readonly waiting = new Map<number, Waiting>();
  private readonly failures = new Map<number, Error>();
  private broken: Error | null = null;

  begin(): ThreadHash {
    const id = this.hashes++;
    return {
      add: (place) => this.send({...place, id, last: false}),
      finish: (place) =>
        new Promise((resolve, reject) => {
          const failure = this.broken ?? this.failures.get(id);
          if (failure) return reject(failure);
          this.waiting.set(id, {resolve, reject});
          this.send({...place, id, last: true});
        }),
    };
  }

  /** The sha256 of some bytes of a file, in hex. @throws as `ThreadHash.finish` */
  async sha256(place: FilePlace): Promise<string> {
    return this.begin().finish(place);
  }

  /** Stops the thread, whatever it is at. */
  async end(): Promise<void> {
    await this.worker?.terminate();
  }

  private send(order: HashOrder): void {
    this.worker ??= this.start();
    this.worker.postMessage(order);
  }

  private start(): Worker {
    const worker = new Worker(WORKER);
    worker.on('message', (answer: HashAnswer) => this.receive(answer));
    worker.on('error', (error) => {
      this.broken = new ZttError(`a thread that hashes files broke down: ${error.message}.`, {cause: error});
      for (const {reject} of this.waiting.values()) reject(this.broken);
      this.waiting.clear();
    });
    return worker;
  }

  private receive(answer: HashAnswer): void {
    const waiting = this.waiting.get(answer.id);
    this.waiting.delete(answer.id);
    if ('sha256' in answer) return waiting?.resolve(answer.sha256);
    const failure = new FileError(`${answer.path} cannot be read: ${answer.failure}.`);
    this.failures.set(answer.id, failure);
    waiting?.reject(failure);
  }
}
