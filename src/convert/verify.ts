import {createHash} from 'node:crypto';
import {Checkpoint} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {mapTensors, readModelConfig} from '../model/index.js';

/**
 * Reads a written model back from the disk: its config and tensors must fit each other, and every tensor's
 * bytes have the sha256 they had when they were written.
 * @throws FormatError naming the first tensor that differs
 */
export async function verifyTensors(
  folder: string,
  digests: ReadonlyMap<string, string>,
  onTensor: (name: string, bytes: number) => void,
  signal?: AbortSignal,
): Promise<void> {
  const checkpoint = await Checkpoint.open(folder);
  try {
    mapTensors(checkpoint, await readModelConfig(folder));
    for (const [name, expected] of digests) {
      const hash = createHash('sha256');
      let bytes = 0;
      for await (const chunk of checkpoint.chunks(name)) {
        signal?.throwIfAborted();
        hash.update(chunk);
        bytes += chunk.byteLength;
      }
      if (hash.digest('hex') !== expected) {
        throw new FormatError(`${folder}: tensor ${name} reads back differently from how it was written.`);
      }
      onTensor(name, bytes);
    }
  } finally {
    await checkpoint.close();
  }
}
