import {byteLength, Checkpoint, sameBytes} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {mapTensors, readModelConfig} from '../model/index.js';
import {digestOf} from './certificate.js';
import type {PlannedTensor} from './plan.js';
import type {SourceReader} from './source-reader.js';

/**
 * Reads a written model back: its config and tensors must fit each other, and every tensor must have the bytes that
 * it should have. A copied one's are compared with the source's, read once more, which takes less than to hash them; the
 * others are made from the source once more and hashed, and so is what was written, in the reader's thread.
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
    mapTensors(written, await readModelConfig(folder));
    for (const name of written.tensors.keys()) {
      const {how, from, source} = plans.get(name)!;
      let same: boolean;
      if (how === 'copied') {
        same = await sameBytes(written.chunks(name), reader.checkpoint.chunks(from[0]!), onBytes);
        digests.set(name, await reader.digest(from[0]!));
      } else {
        const [digest, expected] = await Promise.all([
          reader.thread.sha256(written.place(name)!),
          digestOf(source.chunks()),
        ]);
        onBytes(byteLength(written.info(name)));
        same = digest === expected;
        digests.set(name, digest);
      }
      if (!same) {
        await reader.requireUnchanged();
        throw new FormatError(
          `${folder}: tensor ${name} reads back differently from how it was written; check the disk and convert again.`,
        );
      }
    }
    return digests;
  } finally {
    await written.close();
  }
}
