import {UnsupportedError} from '../../errors.js';
import {reuseChunk} from '../bytes/chunk-memory.js';
import {DTYPE_NAMES, fromFloat32, overflowOf, toFloat32, type FloatDtype} from '../tensors/dtype.js';
import type {TensorSource} from './safetensors-writer.js';

/** Rounds a tensor's values to a dtype, and counts those that are too large for it. */
export class Rounder {
  private overflows = 0;
  private largest = 0;

  constructor(
    private readonly tensor: string,
    private readonly dtype: FloatDtype,
  ) {}

  round(values: Float32Array): Uint8Array {
    const {count, largest} = overflowOf(values, this.dtype);
    this.overflows += count;
    this.largest = Math.max(this.largest, largest);
    return fromFloat32(values, this.dtype);
  }

  /** @throws UnsupportedError if a finite value became infinite */
  finish(): void {
    if (this.overflows === 0) return;
    const name = DTYPE_NAMES[this.dtype];
    throw new UnsupportedError(
      `${this.tensor}: ${this.overflows} values, up to ${this.largest.toPrecision(4)}, are too large for ${name} and would become infinite; choose another dtype.`,
    );
  }
}

/**
 * A tensor with its values rounded to another dtype.
 * @throws UnsupportedError, while it is read, if a finite value would become infinite
 */
export function rounded(source: TensorSource, dtype: FloatDtype): TensorSource {
  if (dtype === source.dtype) return source;
  async function* chunks(): AsyncGenerator<Uint8Array> {
    const rounder = new Rounder(source.name, dtype);
    for await (const chunk of source.chunks()) {
      const values = rounder.round(toFloat32(chunk, source.dtype));
      reuseChunk(chunk);
      yield values;
    }
    rounder.finish();
  }
  return {...source, dtype, chunks};
}
