import type {SafetensorsFile} from '../../src/checkpoint/index.js';

/** An int64 tensor's values, in order. */
export async function readIntegers(file: SafetensorsFile, name: string): Promise<number[]> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks(name)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  return Array.from({length: bytes.byteLength / 8}, (_, i) => Number(bytes.readBigInt64LE(8 * i)));
}

/** An int64 tensor [B, T] as rows. */
export async function readRows(file: SafetensorsFile, name: string): Promise<number[][]> {
  const flat = await readIntegers(file, name);
  const [B, T] = file.tensors.get(name)!.shape as [number, number];
  return Array.from({length: B}, (_, row) => flat.slice(row * T, (row + 1) * T));
}
