import type {ByteFile, DiskFile} from './byte-file.js';
import type {ByteThread, ThreadHash} from './byte-thread.js';

/** A gap such as a header or an archive's records between two tensors, which is hashed in passing; a larger one waits. */
const SMALL_GAP_BYTES = 16 << 20;

/**
 * A file on disk whose sha256 is taken by a thread, which is given the chunks that are read of it as far as they are read
 * from front to back: they may not be changed. What is left is read by `sha256`.
 */
export class DigestFile implements ByteFile {
  private readonly hash: ThreadHash;
  private hashed = 0;

  constructor(
    private readonly file: DiskFile,
    thread: ByteThread,
  ) {
    this.hash = thread.begin();
  }

  get path(): string {
    return this.file.path;
  }

  get size(): number {
    return this.file.size;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return this.file.read(offset, length);
  }

  async *chunks(offset: number, length: number): AsyncGenerator<Uint8Array> {
    let start = offset;
    for await (const chunk of this.file.chunks(offset, length, 'shared')) {
      const end = start + chunk.byteLength;
      if (start >= this.hashed && start - this.hashed <= SMALL_GAP_BYTES) {
        if (start > this.hashed) this.hash.addPlace({path: this.path, start: this.hashed, end: start});
        await this.hash.add(chunk);
        this.hashed = end;
      }
      yield chunk;
      start = end;
    }
  }

  /** The whole file's sha256, in hex; for once. @throws as `ThreadHash.finish` */
  async sha256(): Promise<string> {
    this.hash.addPlace({path: this.path, start: this.hashed, end: this.size});
    this.hashed = Infinity;
    return this.hash.finish();
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
