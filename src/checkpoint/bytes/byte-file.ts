import {readdir, type FileHandle} from 'node:fs/promises';
import {join} from 'node:path';
import {FileError, FormatError} from '../../errors.js';
import {openRegular} from '../../files/index.js';
import {CHUNK_BYTES, takeChunk, type ChunkKind} from './chunk-memory.js';

/** A file that is read by ranges, on disk or behind a network. */
export interface ByteFile {
  /** As messages name it. */
  readonly path: string;
  /** In bytes. */
  readonly size: number;
  /** Exactly `length` bytes, in a fresh buffer. @throws FormatError if the file ends before */
  read(offset: number, length: number): Promise<Buffer>;
  /**
   * The bytes of a range, in chunks of `CHUNK_BYTES` and a last, shorter one. Each is the caller's alone, to keep, to
   * change, or to give to `reuseChunk`.
   * @throws FormatError if the file ends before
   */
  chunks(offset: number, length: number): AsyncGenerator<Uint8Array>;
  close(): Promise<void>;
}

/**
 * Where a checkpoint's files are. Small files (config.json, index files) lie in `folder` on disk; weight files are
 * opened by name.
 */
export interface WeightFiles {
  /** As messages name them: the folder, or the repo. */
  readonly name: string;
  /** The folder on disk that holds config.json and the index files. */
  readonly folder: string;
  /** The names of all files at the top of the folder or repo: what there is instead of weights is told by name. */
  names(): Promise<ReadonlySet<string>>;
  /** Opens a weight file. @throws FileError or HubError if it cannot be read */
  open(name: string): Promise<ByteFile>;
}

/** The weight files of a folder on disk. */
export function diskFiles(folder: string): WeightFiles {
  return {
    name: folder,
    folder,
    names: async () => {
      const names = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
        throw new FileError(`${folder} cannot be read: ${error.code ?? error.message}.`, {cause: error});
      });
      return new Set(names);
    },
    open: async (name) => DiskFile.open(join(folder, name)),
  };
}

/** The most bytes asked for at once: one call to the system reads less than 2 GiB. */
const READ_BYTES = 256 << 20;

/** A file on disk. */
export class DiskFile implements ByteFile {
  private constructor(
    readonly path: string,
    readonly size: number,
    private readonly handle: FileHandle,
  ) {}

  /** @throws FileError if it cannot be read, or is no regular file */
  static async open(path: string): Promise<DiskFile> {
    try {
      const handle = await openRegular(path);
      return new DiskFile(path, (await handle.stat()).size, handle);
    } catch (error) {
      if (error instanceof FileError) throw error;
      const {code, message} = error as NodeJS.ErrnoException;
      throw new FileError(`${path} cannot be read: ${code ?? message}.`, {cause: error});
    }
  }

  async read(offset: number, length: number): Promise<Buffer> {
    requireRange(this, offset, length);
    // Of its own memory, not of Node's pool: a view of float32 values must be aligned.
    return this.fill(Buffer.allocUnsafeSlow(length), offset);
  }

  private async fill(buffer: Buffer, offset: number): Promise<Buffer> {
    const length = buffer.byteLength;
    let filled = 0;
    while (filled < length) {
      const wanted = Math.min(READ_BYTES, length - filled);
      const {bytesRead} = await this.handle.read(buffer, filled, wanted, offset + filled);
      if (bytesRead === 0) {
        throw new FormatError(`${this.path} ended at byte ${offset + filled} while being read.`);
      }
      filled += bytesRead;
    }
    return buffer;
  }

  /** @param kind - `shared` for whoever gives the chunks to threads, and back to `reuseChunk` */
  async *chunks(offset: number, length: number, kind: ChunkKind = 'own'): AsyncGenerator<Uint8Array> {
    requireRange(this, offset, length);
    const end = offset + length;
    const readAt = (start: number) => {
      if (start >= end) return null;
      return this.fill(
        end - start < CHUNK_BYTES ? Buffer.allocUnsafeSlow(end - start) : takeChunk(kind),
        start,
      );
    };
    // The next chunk is read while the last one is worked on.
    let next = readAt(offset);
    try {
      for (let start = offset; start < end; start += CHUNK_BYTES) {
        const chunk = (await next)!;
        next = readAt(start + CHUNK_BYTES);
        // It is awaited in its turn; until then a failure must not count as one that nobody handles.
        next?.catch(() => undefined);
        yield chunk;
      }
    } finally {
      await next?.catch(() => undefined);
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/**
 * Checks a range against a file's size, before any memory is taken for it.
 * @throws FormatError naming both
 */
export function requireRange(file: Pick<ByteFile, 'path' | 'size'>, offset: number, length: number): void {
  const whole = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (!whole || offset + length > file.size) {
    throw new FormatError(
      `${file.path} has ${file.size} bytes, but ${length} from byte ${offset} on are needed; it is truncated or broken, fetch it again.`,
    );
  }
}
