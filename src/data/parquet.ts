import type {FileMetaData} from 'hyparquet';
import {DiskFile, requireRange, type ByteFile} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {columnPages, sound, type TextColumn} from './parquet-pages.js';
import type {DataFile, Part} from './parts.js';
import {documentColumns, rowParts} from './rows.js';

/** No footer comes near this; a larger one is not read. */
const MAX_FOOTER_BYTES = 64 << 20;

/** `PAR1`, and before it the footer's length. */
const TRAILER_BYTES = 8;

/**
 * The documents of a parquet file, one a row, read a page at a time.
 * @throws FileError if it cannot be read, FormatError naming the file, and the row or column, that is not as it must be
 */
export async function* readParquet({path, column, onRead}: DataFile): AsyncGenerator<Part> {
  const file = await DiskFile.open(path);
  try {
    const metadata = await readMetadata(file);
    const columns = documentColumns(columnNames(metadata), column, path);
    let row = 0;
    for (let group = 0; group < metadata.row_groups.length; group++) {
      const rows = Number(metadata.row_groups[group]!.num_rows);
      const values = columns.map((name) =>
        columnValues(file, textColumn(metadata, group, name, path), onRead),
      );
      for (let i = 0; i < rows; i++) {
        const place = `${path}, row ${++row}`;
        const texts: unknown[] = [];
        for (const column of values) texts.push(decode(await nextOf(column, place), place));
        yield* rowParts(columns, texts, place);
      }
    }
  } finally {
    await file.close();
  }
}

/** A parquet file's footer. @throws FileError, FormatError */
export async function readMetadata(file: ByteFile): Promise<FileMetaData> {
  const {parquetMetadata} = await import('hyparquet');
  const trailer = await file.read(Math.max(0, file.size - TRAILER_BYTES), Math.min(file.size, TRAILER_BYTES));
  const magic = trailer.subarray(-4).toString('latin1');
  if (trailer.length < TRAILER_BYTES || magic !== 'PAR1') {
    const why =
      magic === 'PARE' ? 'its footer is encrypted' : 'it does not end as one does; it may be truncated';
    throw new FormatError(`${file.path} is no parquet file that can be read: ${why}.`);
  }
  const length = trailer.readUInt32LE(0);
  if (length > MAX_FOOTER_BYTES) {
    throw new FormatError(`${file.path}: a footer of ${length} bytes is more than any parquet file has.`);
  }
  requireRange(file, file.size - TRAILER_BYTES - length, length + TRAILER_BYTES);
  const footer = await file.read(file.size - TRAILER_BYTES - length, length + TRAILER_BYTES);
  return sound(file.path, () => parquetMetadata(new Uint8Array(footer), {geoparquet: false}));
}

/** The names of the columns, nested ones by their outer name. */
function columnNames({schema}: FileMetaData): string[] {
  const names: string[] = [];
  for (let i = 1; i < schema.length; i += treeSize(schema, i)) names.push(schema[i]!.name);
  return names;
}

/** How many elements a schema's element and all below it are; schemas list them depth first. */
function treeSize(schema: FileMetaData['schema'], root: number): number {
  let end = root + 1;
  for (let open = schema[root]!.num_children ?? 0; open > 0 && end < schema.length; open--, end++) {
    open += schema[end]!.num_children ?? 0;
  }
  return end - root;
}

/** A column's place in a row group. @throws FormatError if its values are no text */
function textColumn(metadata: FileMetaData, group: number, name: string, path: string): TextColumn {
  const rowGroup = metadata.row_groups[group]!;
  const chunk = rowGroup.columns.find(({meta_data: meta}) => meta?.path_in_schema[0] === name);
  const element = metadata.schema.slice(1).find((element) => element.name === name);
  const meta = chunk?.meta_data;
  if (!meta || !element || chunk.file_path || chunk.crypto_metadata) {
    throw new FormatError(`${path}: row group ${group} holds no readable column ${JSON.stringify(name)}.`);
  }
  const nested = meta.path_in_schema.length > 1 || element.repetition_type === 'REPEATED';
  if (nested || element.type !== 'BYTE_ARRAY') {
    const type = nested ? 'nested values' : `values of type ${element.type}`;
    throw new FormatError(`${path}: column ${JSON.stringify(name)} holds ${type}, no text.`);
  }
  return {name, group, element, root: metadata.schema[0]!, meta, rows: Number(rowGroup.num_rows)};
}

/** A column's values in a row group, one after another. */
async function* columnValues(
  file: ByteFile,
  column: TextColumn,
  onRead: DataFile['onRead'],
): AsyncGenerator<Uint8Array | null, void> {
  for await (const page of columnPages(file, column, onRead)) yield* page;
}

async function nextOf(values: AsyncGenerator<Uint8Array | null>, place: string): Promise<Uint8Array | null> {
  const next: IteratorResult<Uint8Array | null, void> = await values.next();
  if (next.done) throw new FormatError(`${place}: the file ends before it; it is broken, fetch it again.`);
  return next.value;
}

function decode(bytes: Uint8Array | null, place: string): string | null {
  if (bytes === null) return null;
  try {
    return new TextDecoder('utf-8', {fatal: true, ignoreBOM: true}).decode(bytes);
  } catch (error) {
    throw new FormatError(`${place}: this is no valid UTF-8 text.`, {cause: error});
  }
}
