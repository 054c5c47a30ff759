import {byteLength, Checkpoint, type HashThread} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {mapTensors, readModelConfig} from '../model/index.js';
import {digestOf} from './certificate.js';
import type {PlannedTensor} from './plan.js';
import type {SourceReader} from './source-reader.js';

/**
 * Reads a written model back: its config and tensors must fit each other, and every tensor must have the bytes that
 * it should have. Those are the source's, read while they were copied; or made from the source once more, which is
 * read again for it.
 * @returns the sha256 of each tensor, in hex, by name
 * @throws FormatError naming the first tensor that differs
 */
export async function verifyTensors(
  folder: string,
  planned: readonly PlannedTensor[],
  reader: SourceReader,
  onBytes: (bytes: number) => void,
): Promise<Map<string, string>> {
  const checkpoint = await Checkpoint.open(folder);
  const plans = new Map(planned.map((tensor) => [tensor.source.name, tensor]));
  try {
    mapTensors(checkpoint, await readModelConfig(folder));
    const lanes = new Lanes(checkpoint, reader.thread, onBytes);
    const expected = new Map<string, string>();
    for (const name of checkpoint.tensors.keys()) {
      const {how, from, source} = plans.get(name)!;
      if (how === 'copied') {
        await lanes.digest(name);
        expected.set(name, reader.digest(from[0]!));
      } else {
        lanes.digestInThread(name);
        expected.set(name, await digestOf(source.chunks()));
      }
    }
    const digests = await lanes.finish();
    const wrong = [...expected].find(([name, digest]) => digests.get(name) !== digest);
    if (wrong) {
      throw new FormatError(
        `${folder}: tensor ${wrong[0]} reads back differently from how it was written; check the disk and convert again.`,
      );
    }
    return digests;
  } finally {
    await checkpoint.close();
  }
}

/** Hashes tensors here and in a thread at once, half of their bytes each. */
class Lanes {
  private readonly digests = new Map<string, string>();
  private readonly inThread: Promise<void>[] = [];
  private bytesHere = 0;
  private bytesInThread = 0;

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly thread: HashThread,
    private readonly onBytes: (bytes: number) => void,
  ) {}

  /** Hashes a tensor here, or has it hashed in the thread if that has had less. */
  async digest(name: string): Promise<void> {
    if (this.bytesInThread <= this.bytesHere) return this.digestInThread(name);
    this.bytesHere += byteLength(this.checkpoint.info(name));
    this.digests.set(name, await digestOf(this.checkpoint.chunks(name), this.onBytes));
  }

  /** Has a tensor hashed in the thread, and does not wait for it. */
  digestInThread(name: string): void {
    const bytes = byteLength(this.checkpoint.info(name));
    this.bytesInThread += bytes;
    const done = this.thread.sha256(this.checkpoint.place(name)!).then((sha256) => {
      this.digests.set(name, sha256);
      this.onBytes(bytes);
    });
    // It is awaited by `finish`; until then a failure must not count as one that nobody handles.
    done.catch(() => undefined);
    this.inThread.push(done);
  }

  /** The sha256 of each tensor, in hex. @throws what went wrong in the thread, or what `onBytes` throws */
  async finish(): Promise<Map<string, string>> {
    await Promise.all(this.inThread);
    return this.digests;
  }
}
