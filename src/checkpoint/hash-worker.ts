import {createHash, type Hash} from 'node:crypto';
import {closeSync, openSync, readSync} from 'node:fs';
import {parentPort} from 'node:worker_threads';
import type {HashAnswer, HashOrder} from './hash-thread.js';

// The thread of HashThread: it is told which bytes of which files come next, reads them, and answers with hashes.

/** Bytes that are read at a time. */
const STEP_BYTES = 1 << 20;
const buffer = Buffer.allocUnsafeSlow(STEP_BYTES);
const hashes = new Map<number, Hash>();
let open: {path: string; file: number} | null = null;

parentPort!.on('message', (order: HashOrder) => {
  const {id, path, start, end, last} = order;
  try {
    const hash = hashes.get(id) ?? createHash('sha256');
    hashes.set(id, hash);
    addRange(hash, path, start, end);
    if (!last) return;
    hashes.delete(id);
    parentPort!.postMessage({id, sha256: hash.digest('hex')} satisfies HashAnswer);
  } catch (error) {
    parentPort!.postMessage({id, path, failure: (error as Error).message} satisfies HashAnswer);
  }
});

function addRange(hash: Hash, path: string, start: number, end: number): void {
  if (open?.path !== path) {
    if (open) closeSync(open.file);
    open = null;
    open = {path, file: openSync(path, 'r')};
  }
  for (let at = start; at < end;) {
    const read = readSync(open.file, buffer, 0, Math.min(STEP_BYTES, end - at), at);
    if (read === 0) throw new Error(`it ends at byte ${at}`);
    hash.update(buffer.subarray(0, read));
    at += read;
  }
}
