import {isUtf8} from 'node:buffer';
import {z} from 'zod';
import {FormatError, quoted} from '../../errors.js';
import {elementBytes, isDtype, type Dtype} from '../tensors/dtype.js';
import {parseStrictJson, type StrictJson, type StrictObject} from './strict-json.js';
import type {TensorInfo} from '../tensors/weight-file.js';

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
const MAX_HEADER_BYTES = 100_000_000;
/** The length field in front of the header. */
export const LENGTH_BYTES = 8;

/** What the parser gives as a number is whole and exact; anything else in its place is no size. */
const size = z.number();
const entrySchema = z.object({
  dtype: z.string(),
  shape: z.array(size),
  data_offsets: z.tuple([size, size]),
});
const metadataSchema = z.map(z.string(), z.string()).nullable();

/** No more elements, and no more bits, than a 64-bit machine counts. */
const MAX_COUNT = 2n ** 64n;

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
 * Parses and checks a safetensors header by the rules of the format's README and its reference implementation: a
 * JSON object with no key twice, every tensor in bounds, no hole, no overlap, shape x dtype = bytes, metadata of
 * strings. Keys that the format does not know are left alone, as the reference does.
 * @throws FormatError naming the file and the tensor.
 */
export function parseHeader(json: Buffer, fileBytes: number, file: string): SafetensorsHeader {
  const dataStart = LENGTH_BYTES + json.byteLength;
  let metadata: Record<string, string> = {};
  const tensors: StoredTensor[] = [];
  for (const [name, value] of parseObject(json, file)) {
    if (name.includes('\0')) throw new FormatError(`${file}: the name ${quoted(name)} has a NUL in it.`);
    if (name === '__metadata__') metadata = parseMetadata(value, file);
    else tensors.push(parseEntry(name, value, dataStart, file));
  }
  // In the order of their bytes, in which they are best read.
  tensors.sort((a, b) => a.start - b.start || a.end - b.end);
  checkContiguous(tensors, dataStart, fileBytes, file);
  return {tensors: new Map(tensors.map((tensor) => [tensor.name, tensor])), metadata};
}

function parseObject(json: Buffer, file: string): StrictObject {
  if (json[0] !== '{'.charCodeAt(0)) {
    throw new FormatError(`${file}: the header is no JSON object; this is no safetensors file.`);
  }
  if (!isUtf8(json)) throw new FormatError(`${file}: the header is no valid JSON: it is no UTF-8.`);
  try {
    return parseStrictJson(json) as StrictObject;
  } catch (error) {
    if (!(error instanceof FormatError)) throw error;
    throw new FormatError(`${file}: the header is no valid JSON: ${error.message}.`, {cause: error});
  }
}

function parseMetadata(value: StrictJson, file: string): Record<string, string> {
  const parsed = metadataSchema.safeParse(value);
  const entries = parsed.success ? [...(parsed.data ?? [])] : null;
  if (!entries || entries.flat().some((text) => text.includes('\0'))) {
    throw new FormatError(`${file}: __metadata__ must map strings to strings, without a NUL in them.`);
  }
  return Object.fromEntries(entries);
}

function parseEntry(name: string, value: StrictJson, dataStart: number, file: string): StoredTensor {
  const where = `${file}: tensor ${quoted(name)}`;
  const parsed = entrySchema.safeParse(value instanceof Map ? Object.fromEntries(value) : value);
  if (!parsed.success) {
    throw new FormatError(
      `${where} needs dtype, shape and data_offsets, with whole numbers from 0 to 2^53 - 1.`,
    );
  }
  const {dtype, shape, data_offsets: offsets} = parsed.data;
  if (!isDtype(dtype)) throw new FormatError(`${where} has the unknown dtype ${quoted(dtype)}.`);
  const bytes = byteCount(dtype, shape);
  if (bytes !== offsets[1] - offsets[0]) {
    const needs = bytes === null ? 'no whole number of bytes that could be' : `${bytes} bytes`;
    throw new FormatError(
      `${where} of ${dtype} [${shape.slice(0, MAX_DIMENSIONS_SHOWN).join(', ')}] needs ${needs} but its offsets span ${offsets[1] - offsets[0]}.`,
    );
  }
  return {name, dtype, shape, start: dataStart + offsets[0], end: dataStart + offsets[1]};
}

/** Of a shape, in a message. */
const MAX_DIMENSIONS_SHOWN = 16;

/** The bytes of a tensor; null where its elements or bits overflow 64 bits, or end within a byte. */
function byteCount(dtype: Dtype, shape: readonly number[]): number | null {
  let elements = 1n;
  for (const size of shape) {
    elements *= BigInt(size);
    if (elements >= MAX_COUNT) return null;
  }
  const bits = elements * BigInt(8 * elementBytes(dtype));
  return bits < MAX_COUNT && bits % 8n === 0n ? Number(bits / 8n) : null;
}

function checkContiguous(tensors: StoredTensor[], dataStart: number, fileBytes: number, file: string): void {
  let expected = dataStart;
  for (const tensor of tensors) {
    if (tensor.end > fileBytes) {
      throw new FormatError(
        `${file}: tensor ${quoted(tensor.name)} ends at byte ${tensor.end} but the file has ${fileBytes}; it is truncated, fetch it again.`,
      );
    }
    if (tensor.start !== expected) {
      const what = tensor.start < expected ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw new FormatError(`${file}: tensor ${quoted(tensor.name)} ${what}.`);
    }
    expected = tensor.end;
  }
  if (expected !== fileBytes) {
    throw new FormatError(`${file}: ${fileBytes - expected} bytes after the last tensor belong to none.`);
  }
}
