import {basename} from 'node:path';
import {
  byteLength,
  Checkpoint,
  DigestFile,
  DiskFile,
  ByteThread,
  hashesInPairs,
  type FilePlace,
  type TensorInfo,
  type ThreadHash,
  type WeightFiles,
} from '../../checkpoint/index.js';
import {FormatError} from '../../errors.js';

/**
 * A source checkpoint that takes the sha256 of all that is read of it: each tensor's, and each file's. Threads do so,
 * since it takes longer than the copying: one where it hashes both at once, else one each.
 */
export class SourceReader {
  private readonly digests = new Map<string, Promise<string>>();
  /** Of tensors that are read in several ranges, one after the other: the hash of those so far. */
  private readonly unfinished = new Map<string, ThreadHash>();

  private constructor(
    readonly checkpoint: Checkpoint,
    private readonly files: readonly DigestFile[],
    /** The first hashes files. They are free for other work once all is read. */
    readonly threads: readonly [ByteThread, ByteThread],
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
    const threads = [new ByteThread(), new ByteThread()] as const;
    let remoteBytes = 0;
    const checkpoint = await Checkpoint.open(source, (file) => {
      if (!(file instanceof DiskFile)) {
        remoteBytes += file.size;
        return file;
      }
      const followed = new DigestFile(file, threads[0]);
      files.push(followed);
      return followed;
    });
    return new SourceReader(checkpoint, files, threads, remoteBytes, onBytes);
  }

  /** Where a tensor's bytes lie in a row on this machine; null where they do not. */
  place(name: string): FilePlace | null {
    const place = this.checkpoint.place(name);
    return place && this.files.some(({path}) => path === place.path) ? place : null;
  }

  info(name: string): TensorInfo {
    return this.checkpoint.info(name);
  }

  /**
   * A tensor's bytes in chunks, as `Checkpoint.chunks`, but not to be changed: all, or a range that follows the last one.
   */
  async *chunks(name: string, start = 0, end?: number): AsyncGenerator<Uint8Array> {
    const thread = this.threads[hashesInPairs() ? 0 : 1];
    const hash = start === 0 ? thread.begin() : this.unfinished.get(name)!;
    for await (const chunk of this.checkpoint.chunks(name, start, end)) {
      this.onBytes(chunk.byteLength);
      await hash.add(chunk);
      yield chunk;
    }
    if (end === undefined || end === byteLength(this.info(name))) this.finish(name, hash);
    else this.unfinished.set(name, hash);
  }

  private finish(name: string, hash: ThreadHash): void {
    this.unfinished.delete(name);
    const digest = this.sameAsBefore(name, hash.finish(), this.digests.get(name));
    digest.catch(() => undefined);
    this.digests.set(name, digest);
  }

  private async sameAsBefore(name: string, now: Promise<string>, before?: Promise<string>): Promise<string> {
    const digest = await now;
    if (before && (await before) !== digest) {
      throw new FormatError(
        `${this.checkpoint.folder}: tensor ${name} changed while it was converted; do it again.`,
      );
    }
    return digest;
  }

  /**
   * The sha256 of a tensor's bytes, in hex, once they were read.
   * @throws FormatError if they were not, or were others at another time
   */
  async digest(name: string): Promise<string> {
    const digest = this.digests.get(name);
    if (digest === undefined) throw new FormatError(`tensor ${name} was not read.`);
    return digest;
  }

  /** @throws FormatError if a tensor that was read more than once was not the same each time */
  async requireUnchanged(): Promise<void> {
    await Promise.all(this.digests.values());
  }

  /** The sha256 of each weight file on this machine, in hex, by file name; for once. What was not read yet is read. */
  async fileDigests(): Promise<Record<string, string>> {
    const digests: Record<string, string> = {};
    for (const file of this.files) digests[basename(file.path)] = await file.sha256();
    return digests;
  }

  async close(): Promise<void> {
    await Promise.all(this.threads.map((thread) => thread.end()));
    await this.checkpoint.close();
  }
}
