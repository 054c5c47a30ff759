import {Checkpoint} from '../checkpoint/index.js';
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
  const digests = new Map<string, string>();
  try {
    mapTensors(checkpoint, await readModelConfig(folder));
    for (const name of checkpoint.tensors.keys()) {
      const {how, from, source} = plans.get(name)!;
      const expected = how === 'copied' ? reader.digest(from[0]!) : await digestOf(source.chunks());
      const digest = await digestOf(checkpoint.chunks(name), onBytes);
      if (digest !== expected) {
        throw new FormatError(
          `${folder}: tensor ${name} reads back differently from how it was written; check the disk and convert again.`,
        );
      }
      digests.set(name, digest);
    }
  } finally {
    await checkpoint.close();
  }
  return digests;
}
