import {closeSync, openSync, readSync} from 'node:fs';
import {parentPort} from 'node:worker_threads';
import type {Answer, ChunkOrder, Comparison, FilePlace, HashOrder, Order} from './byte-thread.js';
import {beginSha256, hashesInPairs, updatePair, type Sha256} from './sha256.js';

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
const hashes = new Map<number, Sha256>();
/** Of hashes that are beyond help. */
const failures = new Map<number, string>();
/** A chunk that waits for another hash's, where two at once take as long as one. */
let waiting: ChunkOrder | null = null;

parentPort!.on('message', (order: Order) => {
  if ('chunk' in order) {
    addChunk(order);
  } else {
    addWaiting();
    answer('places' in order ? compare(order) : hash(order));
  }
});

const answer = (...answers: Answer[]): void => parentPort!.postMessage(answers);

/** Adds a chunk together with the one that waits; if there is none, or that is of the same hash, it waits itself. */
function addChunk(order: ChunkOrder): void {
  if (waiting && waiting.id !== order.id) {
    updatePair(hashOf(waiting.id), waiting.chunk, hashOf(order.id), order.chunk);
    waiting = null;
    answer({done: null}, {done: null});
  } else {
    addWaiting();
    waiting = order;
    if (!hashesInPairs()) addWaiting();
  }
}

function addWaiting(): void {
  if (!waiting) return;
  hashOf(waiting.id).update(waiting.chunk);
  waiting = null;
  answer({done: null});
}

function hashOf(id: number): Sha256 {
  const hash = hashes.get(id) ?? beginSha256();
  hashes.set(id, hash);
  return hash;
}

function hash({id, next}: HashOrder): Answer {
  const failure = failures.get(id);
  if (failure !== undefined) return {failure};
  const hash = hashOf(id);
  try {
    if (next !== null) {
      addPlace(hash, next);
      return {done: null};
    }
    hashes.delete(id);
    return {done: hash.digest()};
  } catch (error) {
    hashes.delete(id);
    failures.set(id, (error as Error).message);
    return {failure: (error as Error).message};
  }
}

function addPlace(hash: Sha256, place: FilePlace): void {
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
