import {DiskFile, type ByteFile} from '../bytes/byte-file.js';
import type {FilePlace} from '../bytes/byte-thread.js';
import {headerLength, LENGTH_BYTES, parseHeader, type SafetensorsHeader} from './safetensors-header.js';
import {WeightFile} from '../tensors/weight-file.js';

/** An open safetensors file, read by range: no more than a chunk is ever in memory. */
export class SafetensorsFile extends WeightFile {
  private constructor(
    file: ByteFile,
    private readonly header: SafetensorsHeader,
  ) {
    super(file, header.tensors);
  }

  /** The strings of the header's __metadata__. */
  get metadata(): Readonly<Record<string, string>> {
    return this.header.metadata;
  }

  /**
   * Opens a file and checks its whole header.
   * @param source - a path, or an open file, which is then this one's to close
   * @throws FileError if it cannot be read, FormatError if it breaks the format's rules
   */
  static async open(source: string | ByteFile): Promise<SafetensorsFile> {
    const file = typeof source === 'string' ? await DiskFile.open(source) : source;
    try {
      const prefix = await file.read(0, Math.min(LENGTH_BYTES, file.size));
      const length = headerLength(prefix, file.size, file.path);
      const json = await file.read(LENGTH_BYTES, length);
      return new SafetensorsFile(file, parseHeader(json, file.size, file.path));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  override place(name: string): FilePlace {
    this.info(name);
    const {start, end} = this.header.tensors.get(name)!;
    return {path: this.path, start, end};
  }

  async *chunks(name: string, start = 0, end?: number): AsyncGenerator<Uint8Array> {
    const place = this.place(name);
    yield* this.file.chunks(place.start + start, (end ?? place.end - place.start) - start);
  }
}
