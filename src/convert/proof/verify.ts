import {byteLength, Checkpoint, type ByteThread} from '../../checkpoint/index.js';
import {FormatError} from '../../errors.js';
import {readCheckpointConfig} from '../../model/index.js';
import {digestOf} from './certificate.js';
import type {PlannedTensor} from '../plan/tensor-plan.js';
import type {SourceReader} from '../source/source-reader.js';

/**
 * Reads a written model back, in the reader's threads: its config and tensors must fit each other, and every tensor must
 * have the bytes that it should have. A copied one's are compared with the source's, read once more, which takes less
 * than to hash them; the others are made from the source once more and hashed, and so is what was written.
 * @returns the sha256 of each tensor, in hex, by name
 * @throws FormatError naming the first tensor that differs, or that changed in the source
 */
export async function verifyTensors(
  folder: string,
  planned: readonly PlannedTensor[],
  reader: SourceReader,
  onBytes: (bytes: number) => void,
): Promise<Map<string, string>> {
  const written = await Checkpoint.open(folder);
  const plans = new Map(planned.map((tensor) => [tensor.source.name, tensor]));
  const digests = new Map<string, string>();
  try {
    await readCheckpointConfig(written);
    const names = written.tensors.keys();
    const lane = async (thread: ByteThread) => {
      for (const name of names) {
        const digest = await verifiedDigest(written, plans.get(name)!, reader, thread);
        if (digest === null) {
          await reader.requireUnchanged();
          throw new FormatError(
            `${folder}: tensor ${name} reads back differently from how it was written; check the disk and convert again.`,
          );
        }
        digests.set(name, digest);
        onBytes(byteLength(written.info(name)));
      }
    };
    await Promise.all(reader.threads.map(lane));
    return digests;
  } finally {
    await written.close();
  }
}

/** The sha256 of a written tensor, in hex; null if it has not the bytes that it should have. */
async function verifiedDigest(
  written: Checkpoint,
  {how, from, source}: PlannedTensor,
  reader: SourceReader,
  thread: ByteThread,
): Promise<string | null> {
  const place = written.place(source.name)!;
  const original = how === 'copied' ? reader.place(from[0]!) : null;
  if (original) return (await thread.same(place, original)) ? reader.digest(from[0]!) : null;
  const expected = how === 'copied' ? reader.digest(from[0]!) : digestOf(source.chunks());
  const [digest, due] = await Promise.all([thread.sha256(place), expected]);
  return digest === due ? digest : null;
}
