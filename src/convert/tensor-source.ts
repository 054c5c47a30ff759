import {
  elementCount,
  fromFloat32,
  isFloatDtype,
  toFloat32,
  type Checkpoint,
  type TensorSource,
} from '../checkpoint/index.js';
import {UnsupportedError} from '../errors.js';

/** Where query weights stand in a tensor, so that an attention scale can be folded into them. */
export interface QueryFold {
  /** Row length of the tensor: element i is in column i mod `columns`. */
  columns: number;
  /** Columns below this belong to the query. */
  queryColumns: number;
}

/** A tensor of the source under a new name, byte for byte. */
export function copied(source: Checkpoint, from: string, name: string): TensorSource {
  const {dtype, shape} = source.info(from);
  return {name, dtype, shape, chunks: () => source.chunks(from)};
}

/**
 * The mean of tensors of one shape, in float32, rounded to their dtype; with `factors`, each one's query
 * columns are multiplied first. One tensor is a mean of itself.
 * @throws UnsupportedError if their dtypes differ
 */
export function averaged(
  source: Checkpoint,
  from: readonly string[],
  name: string,
  fold?: QueryFold & {factors: readonly number[]},
): TensorSource {
  const {dtype, shape} = source.info(from[0]!);
  const other = from.find((each) => source.info(each).dtype !== dtype);
  if (other !== undefined || !isFloatDtype(dtype)) {
    throw new UnsupportedError(
      `${from.join(', ')} cannot be averaged: their dtypes differ (${from.map((each) => source.info(each).dtype).join(', ')}).`,
    );
  }
  return {name, dtype, shape, chunks};

  async function* chunks(): AsyncGenerator<Uint8Array> {
    // All have the same dtype and shape, so their chunks are of equal length.
    const streams = from.map((each) => source.chunks(each));
    let start = 0;
    for (;;) {
      const parts = await Promise.all(streams.map((stream) => stream.next()));
      if (parts.some((part) => part.done)) return;
      const arrays = parts.map((part) => toFloat32(part.value as Uint8Array, dtype));
      const sum = new Float32Array(arrays[0]!.length);
      for (const [index, array] of arrays.entries()) {
        if (fold) scaleQuery(array, start, fold, fold.factors[index]!);
        for (let i = 0; i < sum.length; i++) sum[i]! += array[i]!;
      }
      for (let i = 0; i < sum.length; i++) sum[i]! /= arrays.length;
      start += sum.length;
      yield fromFloat32(sum, isFloatDtype(dtype) ? dtype : 'F32');
    }
  }
}

function scaleQuery(values: Float32Array, start: number, fold: QueryFold, factor: number): void {
  for (let i = 0; i < values.length; i++) {
    if ((start + i) % fold.columns < fold.queryColumns) values[i]! *= factor;
  }
}

/** All values of a source, in float32. For small tensors: they are held whole. */
export async function valuesOf(source: TensorSource): Promise<Float32Array> {
  const values = new Float32Array(elementCount(source.shape));
  let filled = 0;
  for await (const chunk of source.chunks()) {
    const part = toFloat32(chunk, source.dtype);
    values.set(part, filled);
    filled += part.length;
  }
  return values;
}
