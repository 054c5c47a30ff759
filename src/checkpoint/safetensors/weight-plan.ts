import {FormatError} from '../../errors.js';
import {elementBytes, elementCount, type Dtype} from '../tensors/dtype.js';
import {LENGTH_BYTES} from './safetensors-header.js';

/** A tensor that is to be written, without its bytes. */
export interface TensorLayout {
  name: string;
  dtype: Dtype;
  shape: readonly number[];
}

/** A safetensors file that is to be written: everything but the tensors' bytes. */
export interface PlannedFile {
  name: string;
  /** Length field and header. */
  header: Uint8Array;
  /** Each tensor's first byte in the file, by name. */
  starts: ReadonlyMap<string, number>;
  /** The whole file's bytes. */
  bytes: number;
}

/** The files of a model's weights. */
export interface WeightPlan {
  files: PlannedFile[];
  /** All tensors' bytes together. */
  bytes: number;
}

/** A shard's default limit, as `save_pretrained` of Transformers long had it: 5 GB. */
const MAX_SHARD_BYTES = 5e9;

const STEM = 'model';

export const INDEX_NAME = `${STEM}.safetensors.index.json`;

/** A tensor's bytes. */
export const byteLength = ({shape, dtype}: TensorLayout): number => elementCount(shape) * elementBytes(dtype);

/**
 * Spreads a model's tensors over files as Transformers does: in their order, a new shard where the next tensor
 * would exceed the limit; a tensor above the limit is alone in its shard. What fits in one file is
 * model.safetensors.
 * @param maxShardBytes - of tensors, headers not counted
 * @throws FormatError if a name comes twice
 */
export function planWeights(tensors: readonly TensorLayout[], maxShardBytes = MAX_SHARD_BYTES): WeightPlan {
  const shards = split(tensors, maxShardBytes);
  const number = (i: number) => String(i).padStart(5, '0');
  const files = shards.map((shard, i) => {
    const suffix = shards.length === 1 ? '' : `-${number(i + 1)}-of-${number(shards.length)}`;
    return planFile(`${STEM}${suffix}.safetensors`, shard);
  });
  const written = new Set(files.flatMap(({starts}) => [...starts.keys()]));
  if (written.size !== tensors.length) throw new FormatError('a tensor is to be written to two shards.');
  return {files, bytes: tensors.reduce((sum, tensor) => sum + byteLength(tensor), 0)};
}

function split(tensors: readonly TensorLayout[], maxShardBytes: number): TensorLayout[][] {
  const shards: TensorLayout[][] = [];
  let [current, bytes]: [TensorLayout[], number] = [[], 0];
  for (const tensor of tensors) {
    const more = byteLength(tensor);
    if (more > maxShardBytes) {
      shards.push([tensor]);
      continue;
    }
    if (bytes + more > maxShardBytes) {
      shards.push(current);
      [current, bytes] = [[], 0];
    }
    current.push(tensor);
    bytes += more;
  }
  if (current.length > 0 || shards.length === 0) shards.push(current);
  return shards;
}

/**
 * Lays out one file as the reference implementation does: tensors by falling element size, then name; header padded
 * with spaces to a multiple of 8.
 * @param metadata - strings for the header's __metadata__, beside `format: "pt"`, which Transformers asks for
 * @throws FormatError if a name comes twice
 */
export function planFile(
  name: string,
  tensors: readonly TensorLayout[],
  metadata: Record<string, string> = {},
): PlannedFile {
  const ordered = [...tensors].sort(
    (a, b) => elementBytes(b.dtype) - elementBytes(a.dtype) || (a.name < b.name ? -1 : 1),
  );
  const entries = new Map<string, unknown>([['__metadata__', {format: 'pt', ...metadata}]]);
  const offsets = new Map<string, number>();
  let end = 0;
  for (const tensor of ordered) {
    if (entries.has(tensor.name)) throw new FormatError(`tensor ${tensor.name} is to be written twice.`);
    const start = end;
    end += byteLength(tensor);
    offsets.set(tensor.name, start);
    entries.set(tensor.name, {dtype: tensor.dtype, shape: tensor.shape, data_offsets: [start, end]});
  }
  const header = encodeHeader(entries);
  const starts = new Map([...offsets].map(([tensor, start]) => [tensor, header.byteLength + start]));
  return {name, header, starts, bytes: header.byteLength + end};
}

function encodeHeader(entries: ReadonlyMap<string, unknown>): Uint8Array {
  const json = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = Math.ceil(json.byteLength / 8) * 8;
  const bytes = new Uint8Array(LENGTH_BYTES + padded).fill(' '.charCodeAt(0));
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, LENGTH_BYTES);
  return bytes;
}

/** The content of the index file of shards. */
export function shardIndex({files, bytes}: WeightPlan): Record<string, unknown> {
  const places = files.flatMap(({name, starts}) =>
    [...starts.keys()].map((tensor) => [tensor, name] as const),
  );
  places.sort(([a], [b]) => (a < b ? -1 : 1));
  return {metadata: {total_size: bytes}, weight_map: Object.fromEntries(places)};
}
