import {createHash, type Hash} from 'node:crypto';
import {closeSync, openSync, readSync} from 'node:fs';
import {parentPort} from 'node:worker_threads';
import type {Answer, Comparison, FilePlace, HashOrder, Order} from './byte-thread.js';

// The thread of ByteThread: it answers each order in turn.

/** Bytes that are read at a time: two such buffers stay in a core's own memory. */
const STEP_BYTES = 1 << 18;

/** Reads places of files, the last of which stays open. */
class PlaceReader {
  private readonly buffer = Buffer.allocUnsafeSlow(STEP_BYTES);
  private open: {path: string; file: number} | null = null;

  /** The next bytes from `at` on, in memory that the next call uses again. @throws Error in words */
  read({path, end}: FilePlace, at: number): Buffer {
    try {
      if (this.open?.path !== path) {
        if (this.open) closeSync(this.open.file);
        this.open = null;
        this.open = {path, file: openSync(path, 'r')};
      }
      const wanted = Math.min(STEP_BYTES, end - at);
      for (let read = 0; read < wanted;) {
        const more = readSync(this.open.file, this.buffer, read, wanted - read, at + read);
        if (more === 0) throw new Error(`it ends at byte ${at + read}`);
        read += more;
      }
      return this.buffer.subarray(0, wanted);
    } catch (error) {
      throw new Error(`${path} cannot be read: ${(error as Error).message}.`, {cause: error});
    }
  }
}

const [first, second] = [new PlaceReader(), new PlaceReader()];
const hashes = new Map<number, Hash>();
/** Of hashes that are beyond help. */
const failures = new Map<number, string>();

parentPort!.on('message', (order: Order) => {
  const answer = 'places' in order ? compare(order) : hash(order);
  parentPort!.postMessage(answer satisfies Answer);
});

function hash({id, next}: HashOrder): Answer {
  const failure = failures.get(id);
  if (failure !== undefined) return {failure};
  const hash = hashes.get(id) ?? createHash('sha256');
  hashes.set(id, hash);
  try {
    if (next instanceof Uint8Array) hash.update(next);
    else if (next !== null) addPlace(hash, next);
    if (next !== null) return {done: null};
    hashes.delete(id);
    return {done: hash.digest('hex')};
  } catch (error) {
    hashes.delete(id);
    failures.set(id, (error as Error).message);
    return {failure: (error as Error).message};
  }
}

function addPlace(hash: Hash, place: FilePlace): void {
  for (let at = place.start; at < place.end; at += STEP_BYTES) hash.update(first.read(place, at));
}

function compare({places: [one, other]}: Comparison): Answer {
  const length = one.end - one.start;
  if (other.end - other.start !== length) return {done: false};
  try {
    for (let done = 0; done < length; done += STEP_BYTES) {
      const same = first.read(one, one.start + done).equals(second.read(other, other.start + done));
      if (!same) return {done: false};
    }
    return {done: true};
  } catch (error) {
    return {failure: (error as Error).message};
  }
}
