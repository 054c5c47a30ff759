import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import {elementBytes, elementCount, type Dtype} from '../tensors/dtype.js';
import {PickleGlobal, PickleList, type PickleRules} from './pickle.js';
import type {TensorInfo} from '../tensors/weight-file.js';

/** A storage that the pickle of a torch file refers to: a run of elements, which several tensors may share. */
export class StorageRef {
  constructor(
    /** Its name in the file. */
    readonly key: string,
    readonly dtype: Dtype,
    /** Elements. */
    readonly count: number,
  ) {}
}

/** A tensor as the pickle describes it: a view of a storage. */
class TensorView {
  constructor(
    readonly storage: StorageRef,
    /** Where it begins, in elements. */
    readonly offset: number,
    readonly shape: number[],
    readonly strides: number[],
  ) {}
}

/** A tensor whose place in its storage is checked. */
export interface PlacedTensor extends TensorInfo {
  storage: StorageRef;
  /** Where it begins in the storage, in bytes. */
  offset: number;
  bytes: number;
  /** A matrix that is stored column by column. */
  columnMajor: boolean;
}

const DTYPES: ReadonlyMap<string, Dtype> = new Map([
  ['torch.FloatStorage', 'F32'],
  ['torch.HalfStorage', 'F16'],
  ['torch.BFloat16Storage', 'BF16'],
  ['torch.DoubleStorage', 'F64'],
  ['torch.LongStorage', 'I64'],
  ['torch.IntStorage', 'I32'],
  ['torch.ShortStorage', 'I16'],
  ['torch.CharStorage', 'I8'],
  ['torch.ByteStorage', 'U8'],
  ['torch.BoolStorage', 'BOOL'],
]);

const REBUILD_TENSOR = 'torch._utils._rebuild_tensor_v2';
const REBUILD_PARAMETER = 'torch._utils._rebuild_parameter';
const ORDERED_DICT = 'collections.OrderedDict';

/** What the pickle of a torch file may name: tensors, parameters, storages and ordered dicts. */
export function torchRules(where: string): PickleRules {
  const broken = (why: string) => new FormatError(`${where}: the pickle is broken: ${why}.`);
  return {
    knows: (global) =>
      DTYPES.has(global) || [REBUILD_TENSOR, REBUILD_PARAMETER, ORDERED_DICT].includes(global),

    call(global, args) {
      if (global === ORDERED_DICT && args.length === 0) return new Map<unknown, unknown>();
      if (global === REBUILD_PARAMETER && args[0] instanceof TensorView) return args[0];
      if (global === REBUILD_TENSOR) {
        const [storage, offset, shape, strides] = args;
        if (storage instanceof StorageRef && isSize(offset) && isSizes(shape) && isSizes(strides)) {
          return new TensorView(storage, offset, shape, strides);
        }
      }
      throw broken(`it calls ${global} with arguments that do not fit`);
    },

    persistent(id) {
      // ('storage', type, key, device, elements), and in the legacy format a view of another storage or None.
      const [kind, type, key, , count, view] = Array.isArray(id) ? (id as unknown[]) : [];
      const dtype = type instanceof PickleGlobal ? DTYPES.get(type.name) : undefined;
      if (kind !== 'storage' || !dtype || typeof key !== 'string' || !isSize(count)) {
        throw broken('it refers to what is no storage');
      }
      if (view !== undefined && view !== null) {
        throw new UnsupportedError(
          `${where}: storage ${quoted(key)} is a view of another, as only PyTorch before 0.4 wrote it; load and save the file with a newer PyTorch.`,
        );
      }
      return new StorageRef(key, dtype, count);
    },
  };
}

const isSize = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** More dimensions than any tensor of a model has. */
const MAX_DIMENSIONS = 16;

const isSizes = (value: unknown): value is number[] =>
  Array.isArray(value) && value.length <= MAX_DIMENSIONS && value.every(isSize);

/**
 * The tensors of an unpickled state dict, each checked to lie in its storage.
 * @throws UnsupportedError for what is no flat dict of tensors, or a tensor that is stored in strides;
 *   FormatError for one that goes past its storage
 */
export function stateDict(root: unknown, where: string): Map<string, PlacedTensor> {
  if (!(root instanceof Map)) {
    throw new UnsupportedError(`${where} holds ${kindOf(root)}, not a dict of tensors by name.`);
  }
  const tensors = new Map<string, PlacedTensor>();
  for (const [name, value] of root as Map<unknown, unknown>) {
    if (typeof name !== 'string' || !(value instanceof TensorView)) {
      throw new UnsupportedError(
        `${where} holds ${keysOf(root)}, where ${shown(name)} is ${kindOf(value)}; a dict of tensors by name is read. If the weights are a part of it, load it in PyTorch and save that part alone.`,
      );
    }
    tensors.set(name, place(name, value, where));
  }
  return tensors;
}

function place(name: string, view: TensorView, where: string): PlacedTensor {
  const {storage, offset, shape, strides} = view;
  const tensor = `${where}: tensor ${quoted(name)} [${shape.join(', ')}]`;
  const count = elementCount(shape);
  if (!Number.isSafeInteger(count) || offset + count > storage.count) {
    throw new FormatError(
      `${tensor} begins at element ${offset} of a storage of ${storage.count}, and goes past its end.`,
    );
  }
  const contiguous = hasStrides(shape, strides, rowMajor(shape));
  const columnMajor = !contiguous && shape.length === 2 && hasStrides(shape, strides, [1, shape[0]!]);
  if (!contiguous && !columnMajor) {
    throw new UnsupportedError(
      `${tensor} is stored in strides (${strides.join(', ')}), as a part of a larger one; make it contiguous in PyTorch and save the file again.`,
    );
  }
  const size = elementBytes(storage.dtype);
  return {
    name,
    dtype: storage.dtype,
    shape,
    storage,
    offset: offset * size,
    bytes: count * size,
    columnMajor,
  };
}

/** The strides of a tensor whose last dimension runs fastest, in elements. */
const rowMajor = (shape: readonly number[]): number[] =>
  shape.map((_, i) => elementCount(shape.slice(i + 1)));

/** Whether a tensor's elements lie as these strides say; along a dimension of one element no stride is taken. */
const hasStrides = (
  shape: readonly number[],
  strides: readonly number[],
  wanted: readonly number[],
): boolean =>
  elementCount(shape) === 0 ||
  (strides.length === shape.length && shape.every((size, i) => size === 1 || strides[i] === wanted[i]));

const shown = (key: unknown): string =>
  typeof key === 'string' ? quoted(key) : `a key that is ${kindOf(key)}`;

function keysOf(dict: Map<unknown, unknown>): string {
  const keys = [...dict.keys()].slice(0, 5).map(shown);
  return `a dict of ${keys.join(', ')}${dict.size > keys.length ? ', …' : ''}`;
}

function kindOf(value: unknown): string {
  if (value instanceof TensorView) return 'a tensor';
  if (value instanceof StorageRef) return 'a storage';
  if (value instanceof Map) return 'a dict';
  if (value instanceof PickleList) return 'a list';
  if (Array.isArray(value)) return 'a tuple';
  if (value instanceof PickleGlobal) return `a reference to ${value.name}`;
  if (value === null) return 'None';
  return `a ${typeof value}`;
}
