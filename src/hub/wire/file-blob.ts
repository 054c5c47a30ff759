import {open, type FileHandle} from 'node:fs/promises';
import {FileError} from '../../errors.js';

const CHUNK_BYTES = 256 << 10;

/**
 * A range of a file on disk as a Blob. Its stream reads as its consumer asks: the library's own Blob of this
 * kind rests on Readable.toWeb, which in Node 20 reads ahead without bound and so holds whole checkpoints.
 * Reading throws FileError if the file is unreadable or has become shorter.
 */
export class FileBlob extends Blob {
  /**
   * @param start first byte of the range.
   * @param end one past its last byte.
   */
  constructor(
    private readonly path: string,
    private readonly start: number,
    private readonly end: number,
  ) {
    super();
  }

  override get size(): number {
    return this.end - this.start;
  }

  override slice(start = 0, end = this.size): FileBlob {
    const within = (at: number) =>
      this.start + Math.min(at < 0 ? Math.max(this.size + at, 0) : at, this.size);
    return new FileBlob(this.path, within(start), Math.max(within(start), within(end)));
  }

  override async arrayBuffer(): Promise<ArrayBuffer> {
    const whole = new Uint8Array(this.size);
    let filled = 0;
    const reader = this.stream().getReader();
    for (let next = await reader.read(); !next.done; next = await reader.read()) {
      whole.set(next.value, filled);
      filled += next.value.byteLength;
    }
    return whole.buffer;
  }

  override async text(): Promise<string> {
    return new TextDecoder().decode(await this.arrayBuffer());
  }

  override stream(): ReturnType<Blob['stream']> {
    const {path, end} = this;
    let at = this.start;
    let handle: FileHandle | undefined;
    const readable = (error: NodeJS.ErrnoException): never => {
      throw new FileError(`${path} cannot be read: ${error.code}.`, {cause: error});
    };
    return new ReadableStream<Uint8Array<ArrayBuffer>>(
      {
        async pull(controller) {
          try {
            if (at < end) {
              handle ??= await open(path).catch(readable);
              const buffer = new Uint8Array(Math.min(CHUNK_BYTES, end - at));
              const {bytesRead} = await handle.read(buffer, 0, buffer.byteLength, at).catch(readable);
              if (bytesRead === 0) throw new FileError(`${path} became shorter while it was read.`);
              at += bytesRead;
              controller.enqueue(buffer.subarray(0, bytesRead));
            }
            if (at < end) return;
            controller.close();
            await handle?.close();
          } catch (error) {
            await handle?.close();
            throw error;
          }
        },
        async cancel() {
          await handle?.close();
        },
      },
      {highWaterMark: 0},
    );
  }
}
