import {FormatError, quoted, UnsupportedError} from '../../errors.js';
import {DiskFile, type ByteFile} from '../bytes/byte-file.js';
import {columnMajorChunks} from './column-major.js';
import {elementBytes} from '../tensors/dtype.js';
import {readTorchLegacy} from './torch-legacy.js';
import type {TorchContent} from './torch-content.js';
import {readTorchZip} from './torch-zip.js';
import {WeightFile} from '../tensors/weight-file.js';

/**
 * An open pytorch_model.bin, a state dict as torch.save writes it. Its pickle is read by an interpreter that knows
 * tensors and nothing else, and its tensors by range: no more than a few chunks are ever in memory.
 */
export class TorchFile extends WeightFile {
  private constructor(
    file: ByteFile,
    private readonly content: TorchContent,
  ) {
    super(file, content.tensors);
  }

  /**
   * Opens a file and checks every tensor's place in it.
   * @param source - a path, or an open file, which is then this one's to close
   * @throws FileError if it cannot be read, UnsupportedError for what is no state dict of plain tensors, or might
   *   run code; FormatError for a broken one
   */
  static async open(source: string | ByteFile): Promise<TorchFile> {
    const file = typeof source === 'string' ? await DiskFile.open(source) : source;
    try {
      const content = await readContent(file);
      for (const {storage} of content.tensors.values()) {
        const place = content.places.get(storage.key)!;
        const bytes = storage.count * elementBytes(storage.dtype);
        if (bytes > place.bytes) {
          throw new FormatError(
            `${file.path}: storage ${quoted(storage.key)} needs ${bytes} bytes but has ${place.bytes}; the file is broken, fetch it again.`,
          );
        }
      }
      return new TorchFile(file, content);
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  override sharesBytes(one: string, other: string): boolean {
    const [a, b] = [one, other].map((name) => this.content.tensors.get(name)!);
    return (
      a!.storage.key === b!.storage.key &&
      a!.offset === b!.offset &&
      a!.dtype === b!.dtype &&
      a!.columnMajor === b!.columnMajor &&
      a!.shape.join() === b!.shape.join()
    );
  }

  async *chunks(name: string, start = 0, end?: number): AsyncGenerator<Uint8Array> {
    this.info(name);
    const {storage, offset, bytes, columnMajor, dtype, shape} = this.content.tensors.get(name)!;
    const first = (await this.content.places.get(storage.key)!.start()) + offset;
    const last = end ?? bytes;
    if (columnMajor) {
      const [rows, columns] = shape as [number, number];
      yield* columnMajorChunks(
        this.file,
        first,
        {rows, columns, elementBytes: elementBytes(dtype)},
        start,
        last,
      );
    } else {
      yield* this.file.chunks(first + start, last - start);
    }
  }
}

/** The formats that a file may be in by its first bytes. */
async function readContent(file: ByteFile): Promise<TorchContent> {
  const head = await file.read(0, Math.min(file.size, 512));
  if (head.subarray(0, 2).toString('latin1') === 'PK') return readTorchZip(file);
  if (head[0] === 0x80) return readTorchLegacy(file);
  if (head.subarray(257, 262).toString('latin1') === 'ustar') {
    throw new UnsupportedError(
      `${file.path} is a tar archive, as only PyTorch before 0.2 wrote it; load and save it with a newer PyTorch.`,
    );
  }
  throw new FormatError(`${file.path} is no file of torch.save.`);
}
