import {createHash} from 'node:crypto';
import {Checkpoint} from '../../src/index.js';

/** Each tensor's bytes, by name. */
export async function tensorBytes(path: string): Promise<Map<string, Buffer>> {
  const checkpoint = await Checkpoint.open(path);
  const result = new Map<string, Buffer>();
  for (const name of checkpoint.tensors.keys()) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of checkpoint.chunks(name)) chunks.push(chunk);
    result.set(name, Buffer.concat(chunks));
  }
  await checkpoint.close();
  return result;
}

export const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
