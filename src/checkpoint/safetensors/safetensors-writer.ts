import {open, type FileHandle} from 'node:fs/promises';
import {basename, dirname, join} from 'node:path';
import {FormatError} from '../../errors.js';
import {reuseChunk} from '../bytes/chunk-memory.js';
import {byteLength, planFile, type PlannedFile, type TensorLayout} from './weight-plan.js';

/** A tensor to write: its bytes come as a stream, so that none needs to be whole in memory. */
export interface TensorSource extends TensorLayout {
  /**
   * The tensor's little-endian bytes, in order; each call gives them anew. No chunk may change once it is given, and a
   * file's own chunk (`ByteFile.chunks`) is no longer the source's then.
   */
  chunks(): AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
}

export interface WriteOptions {
  /** Called after each chunk with its bytes. */
  onBytes?: (bytes: number) => void;
  signal?: AbortSignal;
}

/**
 * Writes a safetensors file as the reference implementation does (see `planFile`). To have it flushed to disk, write
 * it in a stage of `writeFolder`.
 * @throws FormatError if a source gives more or fewer bytes than its shape needs, or a name comes twice.
 */
export async function writeSafetensors(
  path: string,
  sources: readonly TensorSource[],
  options: WriteOptions & {metadata?: Record<string, string>} = {},
): Promise<void> {
  const plan = planFile(basename(path), sources, options.metadata);
  await writePlanned(dirname(path), [plan], (writer) => writer.writeAll(sources), options);
}

/**
 * Writes planned files.
 * @param fill - writes every planned tensor
 * @throws FormatError as `writeSafetensors`, and for a planned tensor that `fill` left out
 */
export async function writePlanned(
  folder: string,
  files: readonly PlannedFile[],
  fill: (writer: WeightWriter) => Promise<void>,
  options: WriteOptions = {},
): Promise<void> {
  const outputs = files.map((file) => new OutputFile(join(folder, file.name), file));
  try {
    await fill(new WeightWriter(outputs, options));
    for (const output of outputs) await output.finish();
  } finally {
    for (const output of outputs) await output.close();
  }
}

/** Writes tensors to their places, in whatever order their bytes are best read. */
export class WeightWriter {
  private readonly places: ReadonlyMap<string, OutputFile>;

  constructor(
    files: readonly OutputFile[],
    private readonly options: WriteOptions,
  ) {
    this.places = new Map(files.flatMap((file) => file.tensors.map((name) => [name, file])));
  }

  /** @throws FormatError if the source gives more or fewer bytes than its shape needs */
  async write(source: TensorSource): Promise<void> {
    const file = this.places.get(source.name);
    if (!file) throw new FormatError(`tensor ${source.name} has no place in the files.`);
    await file.write(source, this.options);
  }

  async writeAll(sources: readonly TensorSource[]): Promise<void> {
    for (const source of sources) await this.write(source);
  }
}

/** A file being written: open from its first tensor to its last. */
class OutputFile {
  private handle: FileHandle | null = null;
  private finished = false;
  private readonly missing: Set<string>;

  constructor(
    private readonly path: string,
    private readonly plan: PlannedFile,
  ) {
    this.missing = new Set(plan.starts.keys());
  }

  get tensors(): string[] {
    return [...this.plan.starts.keys()];
  }

  /** Writes a tensor's bytes at their place: one chunk while the next is read. */
  async write(source: TensorSource, {onBytes, signal}: WriteOptions): Promise<void> {
    const handle = await this.open();
    const start = this.plan.starts.get(source.name)!;
    const end = start + byteLength(source);
    let position = start;
    let writing = Promise.resolve();
    try {
      for await (const chunk of source.chunks()) {
        signal?.throwIfAborted();
        await writing;
        if (position + chunk.byteLength <= end) writing = writeChunk(handle, chunk, position);
        // It is awaited before the next; until then a failure must not count as one that nobody handles.
        writing.catch(() => undefined);
        position += chunk.byteLength;
        onBytes?.(chunk.byteLength);
      }
    } finally {
      await writing;
    }
    if (position !== end) {
      throw new FormatError(
        `tensor ${source.name} gave ${position - start} bytes where ${end - start} were due.`,
      );
    }
    this.missing.delete(source.name);
    if (this.missing.size === 0) await this.finish();
  }

  /** Closes the file; one without tensors is written now. @throws FormatError if a tensor is missing */
  async finish(): Promise<void> {
    if (this.finished) return;
    const [missing] = this.missing;
    if (missing !== undefined) throw new FormatError(`tensor ${missing} was not written.`);
    await this.open();
    await this.close();
    this.finished = true;
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = null;
  }

  private async open(): Promise<FileHandle> {
    if (!this.handle) {
      this.handle = await open(this.path, 'wx');
      await writeAt(this.handle, this.plan.header, 0);
    }
    return this.handle;
  }
}

async function writeChunk(handle: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  await writeAt(handle, chunk, position);
  reuseChunk(chunk);
}

async function writeAt(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  let done = 0;
  while (done < bytes.byteLength) {
    done += (await handle.write(bytes, done, bytes.byteLength - done, position + done)).bytesWritten;
  }
}
