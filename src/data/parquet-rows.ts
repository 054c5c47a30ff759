import type {AsyncBuffer, FileMetaData} from 'hyparquet';
import {DiskFile, type ByteFile} from '../checkpoint/index.js';
import {FormatError, ZttError} from '../errors.js';
import {readMetadata} from './parquet.js';
import {checkPages, loadCompressors} from './parquet-pages.js';
import type {DataFile} from './parts.js';
import type {TableRow} from './rows.js';

/**
 * A row group is held in memory: its columns may unpack to this many bytes, and hold this many values together, nested
 * ones and nulls counted each.
 */
const MAX_GROUP_BYTES = 256 << 20;
const MAX_GROUP_VALUES = 1 << 22;

/**
 * The rows of a parquet file with all their columns, nested ones too, as JSON would have them: whole numbers are
 * numbers. A row group is in memory at a time; for long texts there is `readParquet`.
 * @throws FileError if it cannot be read, FormatError naming the file, and the row group, that is not as it must be
 */
export async function* parquetRows({path}: DataFile): AsyncGenerator<TableRow> {
  const file = await DiskFile.open(path);
  try {
    const metadata = await readMetadata(file);
    let row = 0;
    for (let group = 0; group < metadata.row_groups.length; group++) {
      await checkGroup(file, metadata, group);
      const rowEnd = row + Number(metadata.row_groups[group]!.num_rows);
      for (const values of await readGroup(file, metadata, row, rowEnd)) {
        yield {values: plain(values) as Record<string, unknown>, place: `${path}, row ${++row}`};
      }
    }
  } finally {
    await file.close();
  }
}

async function checkGroup(file: ByteFile, {row_groups: groups}: FileMetaData, group: number): Promise<void> {
  const place = `${file.path}, row group ${group}`;
  const rows = Number(groups[group]!.num_rows);
  const {columns} = groups[group]!;
  const values = columns.reduce((sum, {meta_data: meta}) => sum + Number(meta?.num_values ?? 0), 0);
  const held = Math.max(values, rows * columns.length);
  if (!(rows >= 0 && held <= MAX_GROUP_VALUES)) {
    throw new FormatError(
      `${place} has ${rows} rows, of ${held} values; at most ${MAX_GROUP_VALUES} values are held in memory: write it with smaller row groups.`,
    );
  }
  let bytes = 0;
  for (const {meta_data: meta, file_path: elsewhere} of columns) {
    if (!meta || elsewhere) throw new FormatError(`${place} holds a column that lies in no file here.`);
    bytes += await checkPages(file, meta, MAX_GROUP_VALUES, place);
  }
  if (bytes > MAX_GROUP_BYTES) {
    throw new FormatError(
      `${place} has ${bytes} bytes when unpacked; at most ${MAX_GROUP_BYTES} are held in memory: write it with smaller row groups.`,
    );
  }
}

async function readGroup(
  file: ByteFile,
  metadata: FileMetaData,
  rowStart: number,
  rowEnd: number,
): Promise<unknown[]> {
  const {parquetReadObjects} = await import('hyparquet');
  const buffer: AsyncBuffer = {
    byteLength: file.size,
    slice: async (start, end = file.size) => {
      const bytes = await file.read(start, end - start);
      return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer;
    },
  };
  const utf8 = new TextDecoder('utf-8', {fatal: true, ignoreBOM: true});
  try {
    const options = {file: buffer, metadata, rowStart, rowEnd, geoparquet: false};
    return await parquetReadObjects({
      ...options,
      compressors: await loadCompressors(),
      parsers: {stringFromBytes: (bytes: Uint8Array | undefined) => bytes && utf8.decode(bytes)},
    });
  } catch (error) {
    if (error instanceof ZttError) throw error;
    throw new FormatError(`${file.path} is no sound parquet file: ${(error as Error).message}.`, {
      cause: error,
    });
  }
}

/** A value as JSON would have it. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (value === undefined) return null;
  if (Array.isArray(value) || ArrayBuffer.isView(value)) return Array.from(value as Iterable<unknown>, plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
