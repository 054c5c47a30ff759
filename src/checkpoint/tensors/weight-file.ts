import {createHash} from 'node:crypto';
import {FormatError, quoted} from '../../errors.js';
import type {ByteFile} from '../bytes/byte-file.js';
import {reuseChunk} from '../bytes/chunk-memory.js';
import {elementCount, toFloat32, type Dtype} from './dtype.js';
import type {FilePlace} from '../bytes/byte-thread.js';

/** What a tensor is, wherever it is stored. */
export interface TensorInfo {
  name: string;
  dtype: Dtype;
  shape: number[];
}

/** An open file of weights, in whatever format: every tensor is known, and its bytes are read when asked for. */
export abstract class WeightFile {
  constructor(
    protected readonly file: ByteFile,
    /** Every tensor, by name. */
    readonly tensors: ReadonlyMap<string, TensorInfo>,
  ) {}

  get path(): string {
    return this.file.path;
  }

  /** The whole file's bytes. */
  get size(): number {
    return this.file.size;
  }

  /**
   * A tensor's little-endian bytes in row-major order, in chunks of `CHUNK_BYTES` and a last, shorter one. Each is the
   * caller's alone, as `ByteFile.chunks`.
   * @param start - the first byte of the tensor that is wanted, the first of an element
   * @param end - one past the last; default all
   * @throws FormatError if there is no tensor of this name
   */
  abstract chunks(name: string, start?: number, end?: number): AsyncGenerator<Uint8Array>;

  /** Where a tensor's bytes lie in a row; null where they do not. @throws FormatError if there is none of this name */
  place(name: string): FilePlace | null {
    this.info(name);
    return null;
  }

  /** Whether two tensors of one dtype and shape are the same bytes of the file; tied weights are in files of torch.save. */
  sharesBytes(one: string, other: string): boolean {
    return one === other;
  }

  /** A tensor's description. @throws FormatError if there is none of this name */
  info(name: string): TensorInfo {
    const info = this.tensors.get(name);
    if (!info) throw new FormatError(`${this.path} has no tensor ${quoted(name)}.`);
    return info;
  }

  /** A tensor's values as float32. @throws UnsupportedError for a dtype that no parameter has */
  async readFloat32(name: string): Promise<Float32Array> {
    const {dtype, shape} = this.info(name);
    const values = new Float32Array(elementCount(shape));
    let filled = 0;
    for await (const chunk of this.chunks(name)) {
      const part = toFloat32(chunk, dtype);
      values.set(part, filled);
      filled += part.length;
      reuseChunk(chunk);
    }
    return values;
  }

  /** The whole file's sha256, in hex. */
  async sha256(): Promise<string> {
    const hash = createHash('sha256');
    for await (const chunk of this.file.chunks(0, this.size)) {
      hash.update(chunk);
      reuseChunk(chunk);
    }
    return hash.digest('hex');
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
