import {diskFiles, type ByteFile, type WeightFiles} from '../../src/checkpoint/index.js';

/** A folder's weight files that count what is read of them, as a network would have to carry it. */
export class CountingFiles implements WeightFiles {
  reads = 0;
  bytes = 0;
  /** Files open now. */
  opened = 0;
  private readonly disk: WeightFiles;

  constructor(readonly folder: string) {
    this.disk = diskFiles(folder);
  }

  get name(): string {
    return this.folder;
  }

  async names(): Promise<ReadonlySet<string>> {
    return this.disk.names();
  }

  async open(name: string): Promise<ByteFile> {
    const file = await this.disk.open(name);
    this.opened += 1;
    return {
      path: file.path,
      size: file.size,
      read: async (offset, length) => {
        this.reads += 1;
        this.bytes += length;
        return file.read(offset, length);
      },
      chunks: (offset, length) => {
        this.reads += 1;
        this.bytes += length;
        return file.chunks(offset, length);
      },
      close: async () => {
        this.opened -= 1;
        await file.close();
      },
    };
  }
}
