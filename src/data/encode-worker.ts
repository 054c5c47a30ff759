import {parentPort, workerData} from 'node:worker_threads';
import {FormatError} from '../errors.js';
import {Tokenizer, type TokenizerSpec} from '../tokenizer/index.js';
import type {EncodedTexts} from './encoder-thread.js';

// The thread of EncoderThread: it is given texts, and answers with their ids.

const tokenizer = Tokenizer.of(workerData as TokenizerSpec);

parentPort!.on('message', (texts: readonly string[]) => {
  const encoded = encodeAll(texts);
  parentPort!.postMessage(encoded, [encoded.ids.buffer as ArrayBuffer]);
});

function encodeAll(texts: readonly string[]): EncodedTexts {
  const all: number[] = [];
  const ends: number[] = [];
  try {
    for (const text of texts) {
      for (const id of tokenizer.encode(text, false)) all.push(id);
      ends.push(all.length);
    }
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    return {ids: Uint32Array.from(all), ends, failure: {message: error.message}};
  }
  return {ids: Uint32Array.from(all), ends};
}
