import {open, type FileHandle} from 'node:fs/promises';
import {FileError, FormatError} from '../errors.js';
import {elementCount, toFloat32} from './dtype.js';
import {headerLength, LENGTH_BYTES, parseHeader, type TensorInfo} from './safetensors-header.js';

/** Bytes read at a time: large enough for the disk, small beside any model. */
const CHUNK_BYTES = 4 << 20;

/** An open safetensors file, read by range: no more than a tensor is ever in memory. */
export class SafetensorsFile {
  private constructor(
    readonly path: string,
    private readonly handle: FileHandle,
    readonly tensors: ReadonlyMap<string, TensorInfo>,
    readonly metadata: Readonly<Record<string, string>>,
  ) {}

  /**
   * Opens a file and checks its whole header.
   * @throws FileError if it cannot be read, FormatError if it breaks the format's rules.
   */
  static async open(path: string): Promise<SafetensorsFile> {
    const handle = await open(path).catch((error: NodeJS.ErrnoException) => {
      throw new FileError(`${path} cannot be read: ${error.code ?? error.message}.`, {cause: error});
    });
    try {
      const stat = await handle.stat();
      if (!stat.isFile()) throw new FileError(`${path} is no file.`);
      const prefix = await readRange(handle, 0, Math.min(LENGTH_BYTES, stat.size), path);
      const length = headerLength(prefix, stat.size, path);
      const json = await readRange(handle, LENGTH_BYTES, LENGTH_BYTES + length, path);
      const {tensors, metadata} = parseHeader(json, stat.size, path);
      return new SafetensorsFile(path, handle, tensors, metadata);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** A tensor's bytes in chunks of at most `chunkBytes`, each a fresh buffer. */
  async *chunks(info: TensorInfo, chunkBytes = CHUNK_BYTES): AsyncGenerator<Uint8Array> {
    for (let start = info.start; start < info.end; start += chunkBytes) {
      yield await readRange(this.handle, start, Math.min(start + chunkBytes, info.end), this.path);
    }
  }

  /** A tensor's values as float32, whatever its float dtype. */
  async readFloat32(info: TensorInfo): Promise<Float32Array> {
    const values = new Float32Array(elementCount(info.shape));
    if (info.dtype === 'F32') {
      await readInto(new Uint8Array(values.buffer), this.handle, info.start, this.path);
      return values;
    }
    let filled = 0;
    for await (const chunk of this.chunks(info)) {
      const part = toFloat32(chunk, info.dtype);
      values.set(part, filled);
      filled += part.length;
    }
    return values;
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

async function readRange(handle: FileHandle, start: number, end: number, path: string): Promise<Uint8Array> {
  const buffer = new Uint8Array(end - start);
  await readInto(buffer, handle, start, path);
  return buffer;
}

/** The most bytes asked for at once: one call to the system reads less than 2 GiB. */
const READ_BYTES = 256 << 20;

async function readInto(buffer: Uint8Array, handle: FileHandle, start: number, path: string): Promise<void> {
  let filled = 0;
  while (filled < buffer.byteLength) {
    const length = Math.min(READ_BYTES, buffer.byteLength - filled);
    const {bytesRead} = await handle.read(buffer, filled, length, start + filled);
    if (bytesRead === 0) throw new FormatError(`${path} ended at byte ${start + filled} while being read.`);
    filled += bytesRead;
  }
}
