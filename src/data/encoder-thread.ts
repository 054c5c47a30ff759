import {Worker} from 'node:worker_threads';
import {compiledFile} from '../compiled-file.js';
import {ZttError} from '../errors.js';
import type {Tokenizer} from '../tokenizer/index.js';

/** Texts encoded in a thread. */
export interface EncodedTexts {
  /** Of all texts, one after another. */
  ids: Uint32Array;
  /** Where each text's ids end; only those before one that cannot be encoded. */
  ends: number[];
  /** Why the next text cannot be encoded. */
  failure?: {message: string};
}

const WORKER = compiledFile('./encode-worker.js', import.meta.url);

/** A thread with the tokenizer of another. */
export class EncoderThread {
  private readonly worker: Worker;
  /** Those who wait, in the order in which the thread answers. */
  private readonly waiting: {
    resolve: (encoded: EncodedTexts) => void;
    reject: (error: Error) => void;
  }[] = [];
  private failure: ZttError | undefined;

  constructor(tokenizer: Tokenizer) {
    this.worker = new Worker(WORKER, {workerData: tokenizer.spec});
    this.worker.on('message', (encoded: EncodedTexts) => this.waiting.shift()!.resolve(encoded));
    this.worker.on('error', (error) => this.fail(error));
  }

  /** Encodes texts without the tokens that the tokenizer puts around each. @throws ZttError if the thread breaks down */
  encode(texts: readonly string[]): Promise<EncodedTexts> {
    return new Promise((resolve, reject) => {
      if (this.failure) return reject(this.failure);
      this.waiting.push({resolve, reject});
      this.worker.postMessage(texts);
    });
  }

  async end(): Promise<void> {
    await this.worker.terminate();
  }

  private fail(error: Error): void {
    this.failure = new ZttError(`a thread that encodes text broke down: ${error.message}.`, {cause: error});
    for (const {reject} of this.waiting.splice(0)) reject(this.failure);
  }
}
