import type {ByteFile} from './byte-file.js';
import type {HashThread, ThreadHash} from './hash-thread.js';

/** A gap such as a header or an archive's records between two tensors, which is hashed in passing; a larger one waits. */
const SMALL_GAP_BYTES = 16 << 20;

/**
 * A file on disk whose sha256 is taken by a thread, which follows the chunks that are read of it as far as they are read
 * from front to back: what it reads then is in the system's memory already. What is left is read by `sha256`.
 */
export class DigestFile implements ByteFile {
  private readonly hash: ThreadHash;
  private hashed = 0;

  constructor(
    private readonly file: ByteFile,
    thread: HashThread,
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
    let end = offset;
    for await (const chunk of this.file.chunks(offset, length)) {
      end += chunk.byteLength;
      if (end > this.hashed && end - chunk.byteLength - this.hashed <= SMALL_GAP_BYTES) {
        this.hash.add({path: this.path, start: this.hashed, end});
        this.hashed = end;
      }
      yield chunk;
    }
  }

  /** The whole file's sha256, in hex; for once. @throws as `ThreadHash.finish` */
  async sha256(): Promise<string> {
    return this.hash.finish({path: this.path, start: this.hashed, end: this.size});
  }

  async close(): Promise<void> {
    await this.file.close();
  }
}
