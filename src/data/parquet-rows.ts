import type {AsyncBuffer, FileMetaData} from 'hyparquet';
import {DiskFile, type ByteFile} from '../checkpoint/index.js';
import {FormatError, ZttError} from '../errors.js';
import {readMetadata} from './parquet.js';
import {checkPages, loadCompressors} from './parquet-pages.js';
import type {DataFile} from './parts.js';
import type {TableRow} from './rows.js';

/** A row group is held in memory; its columns may unpack to this many bytes, and hold this many values each. */
const MAX_GROUP_BYTES = 1 << 30;
const MAX_COLUMN_VALUES = 1 << 24;

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
  let bytes = 0;
  for (const {meta_data: meta, file_path: elsewhere} of groups[group]!.columns) {
    if (!meta || elsewhere) throw new FormatError(`${place} holds a column that lies in no file here.`);
    bytes += await checkPages(file, meta, MAX_COLUMN_VALUES, place);
  }
  if (!(rows >= 0 && rows <= MAX_COLUMN_VALUES && bytes <= MAX_GROUP_BYTES)) {
    throw new FormatError(
      `${place} has ${rows} rows, of ${bytes} bytes when unpacked; that is more than is held in memory.`,
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
