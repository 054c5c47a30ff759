import {createHash, type Hash} from 'node:crypto';
import {basename} from 'node:path';
import {
  byteLength,
  Checkpoint,
  DigestFile,
  DiskFile,
  HashThread,
  type TensorInfo,
  type WeightFiles,
} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';

/** A source checkpoint that takes the sha256 of all that is read of it: each tensor's, and each file's. */
export class SourceReader {
  private readonly digests = new Map<string, string>();
  /** Of tensors that are read in several ranges, one after the other: the hash of those so far. */
  private readonly unfinished = new Map<string, Hash>();

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly files: readonly DigestFile[],
    /** Hashes the files. */
    readonly thread: HashThread,
    /** Bytes of the weight files that are not on this machine. */
    readonly remoteBytes: number,
    private readonly onBytes: (bytes: number) => void,
  ) {}

  /**
   * @param onBytes - called with the bytes of each chunk of a tensor; it may throw to stop the reading
   * @throws FileError, UnsupportedError or FormatError as `Checkpoint.open`
   */
  static async open(
    source: string | WeightFiles,
    onBytes: (bytes: number) => void = () => undefined,
  ): Promise<SourceReader> {
    const files: DigestFile[] = [];
    const thread = new HashThread();
    let remoteBytes = 0;
    const checkpoint = await Checkpoint.open(source, (file) => {
      if (!(file instanceof DiskFile)) {
        remoteBytes += file.size;
        return file;
      }
      const followed = new DigestFile(file, thread);
      files.push(followed);
      return followed;
    });
    return new SourceReader(checkpoint, files, thread, remoteBytes, onBytes);
  }

  info(name: string): TensorInfo {
    return this.checkpoint.info(name);
  }

  /**
   * A tensor's bytes in chunks, as `Checkpoint.chunks`: all, or a range that follows the last one.
   * @throws FormatError if they are not those of the last time
   */
  async *chunks(name: string, start = 0, end?: number): AsyncGenerator<Uint8Array> {
    const hash = start === 0 ? createHash('sha256') : this.unfinished.get(name)!;
    for await (const chunk of this.checkpoint.chunks(name, start, end)) {
      this.onBytes(chunk.byteLength);
      hash.update(chunk);
      yield chunk;
    }
    if (end === undefined || end === byteLength(this.info(name))) this.finish(name, hash);
    else this.unfinished.set(name, hash);
  }

  private finish(name: string, hash: Hash): void {
    this.unfinished.delete(name);
    const digest = hash.digest('hex');
    if ((this.digests.get(name) ?? digest) !== digest) {
      throw new FormatError(
        `${this.checkpoint.folder}: tensor ${name} changed while it was converted; do it again.`,
      );
    }
    this.digests.set(name, digest);
  }

  /** The sha256 of a tensor's bytes, in hex, once they were read. */
  digest(name: string): string {
    const digest = this.digests.get(name);
    if (digest === undefined) throw new FormatError(`tensor ${name} was not read.`);
    return digest;
  }

  /** The sha256 of each weight file on this machine, in hex, by file name; for once. What was not read yet is read. */
  async fileDigests(): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const file of this.files) digests[basename(file.path)] = await file.sha256();
    return digests;
  }

  async close(): Promise<void> {
    await this.thread.end();
    await this.checkpoint.close();
  }
}
