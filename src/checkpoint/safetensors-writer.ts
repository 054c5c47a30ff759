import {createHash} from 'node:crypto';
import {open} from 'node:fs/promises';
import {FormatError} from '../errors.js';
import {elementBytes, elementCount, type Dtype} from './dtype.js';
import {LENGTH_BYTES} from './safetensors-header.js';

/** A tensor to write: its bytes come as a stream, so that none needs to be whole in memory. */
export interface TensorSource {
  name: string;
  dtype: Dtype;
  shape: number[];
  /** The tensor's little-endian bytes, in order. Called once. */
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface WriteOptions {
  /** Strings for the header's __metadata__; `format: "pt"` is always there, since Transformers asks for it. */
  metadata?: Record<string, string>;
  /** Called after each tensor with its name and bytes. */
  onTensor?: (name: string, bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Writes a safetensors file as the reference implementation does: tensors by falling element size, then name;
 * header padded with spaces to a multiple of 8. The file is flushed to disk before the promise resolves.
 * @returns the sha256 of each tensor's bytes, in hex, by name.
 * @throws FormatError if a source gives more or fewer bytes than its shape needs, or a name comes twice.
 */
export async function writeSafetensors(
  path: string,
  sources: readonly TensorSource[],
  options: WriteOptions = {},
): Promise<Map<string, string>> {
  const ordered = [...sources].sort(
    (a, b) => elementBytes(b.dtype) - elementBytes(a.dtype) || (a.name < b.name ? -1 : 1),
  );
  const header = encodeHeader(ordered, {format: 'pt', ...options.metadata});
  const digests = new Map<string, string>();
  const handle = await open(path, 'wx');
  try {
    await handle.writeFile(header);
    for (const source of ordered) {
      const hash = createHash('sha256');
      let written = 0;
      for await (const chunk of source.chunks()) {
        options.signal?.throwIfAborted();
        hash.update(chunk);
        await handle.writeFile(chunk);
        written += chunk.byteLength;
      }
      const expected = byteLength(source);
      if (written !== expected) {
        throw new FormatError(`tensor ${source.name} gave ${written} bytes where ${expected} were due.`);
      }
      digests.set(source.name, hash.digest('hex'));
      options.onTensor?.(source.name, written);
    }
    await handle.sync();
  } finally {
    await handle.close();
  }
  return digests;
}

const byteLength = (source: TensorSource): number => elementCount(source.shape) * elementBytes(source.dtype);

function encodeHeader(sources: readonly TensorSource[], metadata: Record<string, string>): Uint8Array {
  const entries = new Map<string, unknown>([['__metadata__', metadata]]);
  let offset = 0;
  for (const source of sources) {
    if (entries.has(source.name)) throw new FormatError(`tensor ${source.name} is to be written twice.`);
    const end = offset + byteLength(source);
    entries.set(source.name, {dtype: source.dtype, shape: source.shape, data_offsets: [offset, end]});
    offset = end;
  }
  const text = JSON.stringify(Object.fromEntries(entries));
  const json = new TextEncoder().encode(text);
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(' '.charCodeAt(0));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}
