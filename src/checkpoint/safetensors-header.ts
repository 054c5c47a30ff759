import {z} from 'zod';
import {FormatError} from '../errors.js';
import {elementBytes, elementCount, isDtype} from './dtype.js';
import type {TensorInfo} from './weight-file.js';

/** One tensor of a safetensors file. */
export interface StoredTensor extends TensorInfo {
  /** First byte in the file. */
  start: number;
  /** One past the last byte in the file. */
  end: number;
}

export interface SafetensorsHeader {
  tensors: Map<string, StoredTensor>;
  metadata: Record<string, string>;
}

/** The reference implementation's bound on the header's length. */
export const MAX_HEADER_BYTES = 100_000_000;
/** The length field in front of the header. */
export const LENGTH_BYTES = 8;

const size = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
const entrySchema = z.strictObject({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.record(z.string(), z.string());

/**
 * The header's length, from a file's first eight bytes.
 * @throws FormatError where it is over the bound or past the end of the file.
 */
export function headerLength(prefix: Uint8Array, fileBytes: number, file: string): number {
  if (prefix.byteLength < LENGTH_BYTES || fileBytes < LENGTH_BYTES) {
    throw new FormatError(`${file}: ${fileBytes} bytes are too few for a safetensors file.`);
  }
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_BYTES).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_BYTES)) {
    throw new FormatError(
      `${file}: the header claims ${length} bytes, more than the ${MAX_HEADER_BYTES} that safetensors allows; this is no safetensors file.`,
    );
  }
  if (Number(length) > fileBytes - LENGTH_BYTES) {
    throw new FormatError(
      `${file}: the header claims ${length} bytes but the file has ${fileBytes}; it is truncated, fetch it again.`,
    );
  }
  return Number(length);
}

/**
 * Parses and checks a safetensors header: every offset in bounds, no hole, no overlap, shape x dtype = bytes.
 * @throws FormatError naming the file and the tensor.
 */
export function parseHeader(json: Uint8Array, fileBytes: number, file: string): SafetensorsHeader {
  const dataStart = LENGTH_BYTES + json.byteLength;
  const entries = Object.entries(parseObject(json, file));
  let metadata: Record<string, string> = {};
  const tensors: StoredTensor[] = [];
  for (const [name, value] of entries) {
    if (name === '__metadata__') {
      const parsed = metadataSchema.safeParse(value);
      if (!parsed.success) throw new FormatError(`${file}: __metadata__ must map strings to strings.`);
      metadata = parsed.data;
    } else {
      tensors.push(parseEntry(name, value, dataStart, file));
    }
  }
  // In the order of their bytes, in which they are best read.
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  checkContiguous(tensors, dataStart, fileBytes, file);
  return {tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata};
}

function parseObject(json: Uint8Array, file: string): object {
  if (json[0] !== '{'.charCodeAt(0)) {
    throw new FormatError(`${file}: the header is no JSON object; this is no safetensors file.`);
  }
  try {
    const text = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(json);
    return JSON.parse(text) as object;
  } catch (error) {
    throw new FormatError(`${file}: the header is no valid JSON: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

function parseEntry(name: string, value: unknown, dataStart: number, file: string): StoredTensor {
  const where = `${file}: tensor ${JSON.stringify(name)}`;
  const parsed = entrySchema.safeParse(value);
  if (!parsed.success) {
    throw new FormatError(`${where} needs exactly dtype, shape and data_offsets as whole numbers.`);
  }
  const {dtype, shape, data_offsets: offsets} = parsed.data;
  if (!isDtype(dtype)) throw new FormatError(`${where} has the unknown dtype ${JSON.stringify(dtype)}.`);
  const bytes = elementCount(shape) * elementBytes(dtype);
  if (!Number.isSafeInteger(bytes) || offsets[1] - offsets[0] !== bytes) {
    throw new FormatError(
      `${where} of ${dtype} [${shape.join(', ')}] needs ${bytes} bytes but its offsets span ${offsets[1] - offsets[0]}.`,
    );
  }
  return {name, dtype, shape, start: dataStart + offsets[0], end: dataStart + offsets[1]};
}

function checkContiguous(tensors: StoredTensor[], dataStart: number, fileBytes: number, file: string): void {
  let expected = dataStart;
  for (const tensor of tensors) {
    if (tensor.end > fileBytes) {
      throw new FormatError(
        `${file}: tensor ${JSON.stringify(tensor.name)} ends at byte ${tensor.end} but the file has ${fileBytes}; it is truncated, fetch it again.`,
      );
    }
    if (tensor.start !== expected) {
      const what = tensor.start < expected ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new FormatError(`${file}: tensor ${JSON.stringify(tensor.name)} ${what}.`);
    }
    expected = tensor.end;
  }
  if (expected !== fileBytes) {
    throw new FormatError(`${file}: ${fileBytes - expected} bytes after the last tensor belong to none.`);
  }
}
