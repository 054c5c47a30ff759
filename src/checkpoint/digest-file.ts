import {createHash} from 'node:crypto';
import type {ByteFile} from './byte-file.js';
import {reuseChunk} from './chunk-memory.js';

/** A gap such as an archive's headers between two tensors, which is read in passing; a larger one waits. */
const SMALL_GAP_BYTES = 64 << 10;

/**
 * A file whose sha256 is computed from what is read of it anyway, as far as that is read from front to back, one
 * read after the other. What is left is read by `sha256`.
 */
export class DigestFile implements ByteFile {
  private readonly hash = createHash('sha256');
  private hashed = 0;

  constructor(private readonly file: ByteFile) {}

  get path(): string {
    return this.file.path;
  }

  get size(): number {
    return this.file.size;
  }

  async read(offset: number, length: number): Promise<Buffer> {
    const bytes = await this.file.read(offset, length);
    await this.include(offset, bytes);
    return bytes;
  }

  async *chunks(offset: number, length: number): AsyncGenerator<Uint8Array> {
    let start = offset;
    for await (const chunk of this.file.chunks(offset, length)) {
      await this.include(start, chunk);
      start += chunk.byteLength;
      yield chunk;
    }
  }

  /** The whole file's sha256, in hex. */
  async sha256(): Promise<string> {
    await this.hashUpTo(this.size);
    return this.hash.copy().digest('hex');
  }

  async close(): Promise<void> {
    await this.file.close();
  }

  private async include(offset: number, bytes: Uint8Array): Promise<void> {
    if (offset > this.hashed && offset - this.hashed <= SMALL_GAP_BYTES) await this.hashUpTo(offset);
    if (offset > this.hashed) return;
    const fresh = bytes.subarray(this.hashed - offset);
    this.hash.update(fresh);
    this.hashed += fresh.byteLength;
  }

  private async hashUpTo(end: number): Promise<void> {
    for await (const chunk of this.file.chunks(this.hashed, end - this.hashed)) {
      this.hash.update(chunk);
      this.hashed += chunk.byteLength;
      reuseChunk(chunk);
    }
  }
}
