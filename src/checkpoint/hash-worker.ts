import {createHash, type Hash} from 'node:crypto';
import {closeSync, openSync, readSync} from 'node:fs';
import {parentPort} from 'node:worker_threads';
import type {FilePlace, HashAnswer, HashOrder} from './hash-thread.js';

// The thread of HashThread: it is told which bytes come next, given or to be read from files, and answers each order.

/** Bytes that are read at a time. */
const STEP_BYTES = 1 << 20;
const buffer = Buffer.allocUnsafeSlow(STEP_BYTES);
const hashes = new Map<number, Hash>();
/** Of hashes that are beyond help. */
const failures = new Map<number, string>();
let open: {path: string; file: number} | null = null;

parentPort!.on('message', (order: HashOrder) => {
  const answer = failures.has(order.id) ? {failure: failures.get(order.id)!} : carryOut(order);
  parentPort!.postMessage(answer satisfies HashAnswer);
});

function carryOut({id, next}: HashOrder): HashAnswer {
  const hash = hashes.get(id) ?? createHash('sha256');
  hashes.set(id, hash);
  if (next === null) {
    hashes.delete(id);
    return {sha256: hash.digest('hex')};
  }
  if (next instanceof Uint8Array) {
    hash.update(next);
    return {};
  }
  try {
    addRange(hash, next);
    return {};
  } catch (error) {
    hashes.delete(id);
    failures.set(id, `${next.path} cannot be read: ${(error as Error).message}.`);
    return {failure: failures.get(id)!};
  }
}

function addRange(hash: Hash, {path, start, end}: FilePlace): void {
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
