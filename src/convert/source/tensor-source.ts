import {
  elementBytes,
  elementCount,
  isFloatDtype,
  toFloat32,
  type Checkpoint,
  type FloatDtype,
  type TensorSource,
  reuseChunk,
  rounded,
  Rounder,
} from '../../checkpoint/index.js';
import {UnsupportedError} from '../../errors.js';

/** Elements that are averaged at a time: 16 MiB in float32. */
const PANEL_ELEMENTS = 4 << 20;

/** Tensors that are read by name: a checkpoint, or something that looks on. */
export type TensorReader = Pick<Checkpoint, 'info' | 'chunks'>;

/** Where query weights stand in a tensor, so that an attention scale can be folded into them. */
export interface QueryFold {
  /** Elements after which queries stand in the same places again. */
  period: number;
  /** The first of each period that belong to the query. */
  queries: number;
}

/** A tensor of the source under a new name, byte for byte. */
export function copied(source: TensorReader, from: string, name: string): TensorSource {
  const {dtype, shape} = source.info(from);
  return {name, dtype, shape, chunks: () => source.chunks(from)};
}

/**
 * A tensor of the source under a new name, its values rounded to another dtype.
 * @throws UnsupportedError, while it is read, if a finite value would become infinite
 */
export const cast = (source: TensorReader, from: string, name: string, dtype: FloatDtype): TensorSource => ({
  ...rounded(copied(source, from, from), dtype),
  name,
});

/**
 * The mean of tensors of one shape and dtype, in float32, rounded to `dtype`; with `factors`, each one's query
 * elements are multiplied first. One tensor is a mean of itself.
 * @param dtype - default theirs
 * @throws UnsupportedError if their dtypes differ, or, while it is read, if a value would become infinite
 */
export function averaged(
  source: TensorReader,
  from: readonly string[],
  name: string,
  options: {dtype?: FloatDtype; fold?: QueryFold & {factors: readonly number[]}} = {},
): TensorSource {
  const {dtype: own, shape} = source.info(from[0]!);
  const other = from.find((each) => source.info(each).dtype !== own);
  if (other !== undefined || !isFloatDtype(own)) {
    throw new UnsupportedError(
      `${from.join(', ')} cannot be averaged: their dtypes differ (${from.map((each) => source.info(each).dtype).join(', ')}).`,
    );
  }
  const {dtype = own, fold} = options;
  return {name, dtype, shape, chunks};

  async function* chunks(): AsyncGenerator<Uint8Array> {
    const rounder = new Rounder(from.join(', '), dtype);
    const size = elementBytes(own);
    const count = elementCount(shape);
    // A panel of all members after the other, so that memory does not grow with their number.
    for (let start = 0; start < count; start += PANEL_ELEMENTS) {
      const sum = new Float32Array(Math.min(PANEL_ELEMENTS, count - start));
      for (const [index, name] of from.entries()) {
        let done = 0;
        for await (const chunk of source.chunks(name, size * start, size * (start + sum.length))) {
          const stored = toFloat32(chunk, own);
          const values = fold ? scaledQuery(stored, start + done, fold, fold.factors[index]!) : stored;
          for (let i = 0; i < values.length; i++) sum[done + i]! += values[i]!;
          done += values.length;
          reuseChunk(chunk);
        }
      }
      for (let i = 0; i < sum.length; i++) sum[i]! /= from.length;
      yield rounder.round(sum);
    }
    rounder.finish();
  }
}

const scaledQuery = (values: Float32Array, start: number, fold: QueryFold, factor: number): Float32Array =>
  values.map((value, i) => ((start + i) % fold.period < fold.queries ? value * factor : value));

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
