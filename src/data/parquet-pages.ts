import {brotliDecompressSync, gunzipSync} from 'node:zlib';
import type {ColumnMetaData, Compressors, PageHeader, SchemaElement} from 'hyparquet';
import {requireRange, type ByteFile} from '../checkpoint/index.js';
import {FormatError, UnsupportedError, ZttError} from '../errors.js';
import type {DataFile} from './parts.js';

/** Pages are about 1 MB; one that is larger than this, packed or not, is not read. */
const MAX_PAGE_BYTES = 256 << 20;

/** The bytes a page's header is looked for in, at first and at most: its statistics may hold long values. */
const HEADER_BYTES = 16 << 10;
const MAX_HEADER_BYTES = 16 << 20;

/** A column of text in one row group. */
export interface TextColumn {
  name: string;
  group: number;
  element: SchemaElement;
  /** The schema's first element, under which the columns stand. */
  root: SchemaElement;
  meta: ColumnMetaData;
  rows: number;
}

/** What a page of text decodes to. */
type Values = (Uint8Array | null)[];

/**
 * The pages of a column in a row group, one in memory at a time; the format is hyparquet's work, and what sizes and
 * counts may be is checked here before it takes memory for them.
 * @throws FormatError naming the file and the row group, UnsupportedError for a compression that is not known
 */
export async function* columnPages(
  file: ByteFile,
  column: TextColumn,
  onRead?: DataFile['onRead'],
): AsyncGenerator<Values> {
  const {meta, group, rows} = column;
  const place = `${file.path}, row group ${group}`;
  const decoder = await pageDecoder(column, place);
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = start + Number(meta.total_compressed_size);
  requireRange(file, start, end - start);
  let dictionary: unknown;
  let done = 0;
  for (let offset = start; offset < end && done < rows;) {
    const {header, size} = await readHeader(file, offset, end, place);
    checkHeader(header, end - offset - size, rows - done, place);
    const bytes = await file.read(offset + size, header.compressed_page_size);
    offset += size + bytes.length;
    onRead?.(size + bytes.length);
    const data = sound(place, () => decoder(bytes, header, dictionary));
    if (header.type === 'DICTIONARY_PAGE') {
      dictionary = data;
    } else {
      done += data.length;
      yield data;
    }
  }
}

/**
 * Checks what every page header of a column chunk says, whatever its type, before a reader believes it.
 * @param maxValues - values the chunk may hold, nested ones counted each
 * @returns the bytes that its pages unpack to
 * @throws FormatError naming the file and the row group
 */
export async function checkPages(
  file: ByteFile,
  meta: ColumnMetaData,
  maxValues: number,
  place: string,
): Promise<number> {
  const start = Number(meta.dictionary_page_offset || meta.data_page_offset);
  const end = start + Number(meta.total_compressed_size);
  requireRange(file, start, end - start);
  let unpacked = 0;
  let left = maxValues;
  for (let offset = start; offset < end;) {
    const {header, size} = await readHeader(file, offset, end, place);
    checkHeader(header, end - offset - size, left, place);
    offset += size + header.compressed_page_size;
    unpacked += header.uncompressed_page_size;
    left -= (header.data_page_header ?? header.data_page_header_v2)?.num_values ?? 0;
  }
  return unpacked;
}

/** Reads the header of the page at an offset, and its size. */
async function readHeader(file: ByteFile, offset: number, end: number, place: string) {
  const {parquetHeader} = await import('hyparquet/src/column.js');
  for (let window = HEADER_BYTES; ; window *= 8) {
    const bytes = await file.read(offset, Math.min(window, end - offset));
    const reader = {view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0};
    try {
      const header = parquetHeader(reader);
      return {header, size: reader.offset};
    } catch (error) {
      // It may go on behind the window.
      if (bytes.length < window || window >= MAX_HEADER_BYTES) {
        return sound(place, () => {
          throw error;
        });
      }
    }
  }
}

/** Checks what a page's header says before it is believed. */
function checkHeader(header: PageHeader, left: number, rows: number, place: string): void {
  const {type, compressed_page_size: packed, uncompressed_page_size: size} = header;
  const details = header.data_page_header ?? header.data_page_header_v2 ?? header.dictionary_page_header;
  const values = details?.num_values;
  const within = (value: number | undefined, max: number) =>
    value !== undefined && Number.isInteger(value) && value >= 0 && value <= max;
  // Each value of a dictionary takes four bytes at least; a page's values are a row each.
  const maxValues = type === 'DICTIONARY_PAGE' ? size / 4 : rows;
  const v2 = header.data_page_header_v2;
  const levels = v2 ? v2.definition_levels_byte_length + v2.repetition_levels_byte_length : 0;
  if (
    !within(packed, Math.min(left, MAX_PAGE_BYTES)) ||
    !within(size, MAX_PAGE_BYTES) ||
    !within(values, maxValues) ||
    !within(levels, packed)
  ) {
    throw new FormatError(
      `${place}: a page says it has ${values} values in ${packed} bytes, ${size} when unpacked, which cannot be; the file is broken, or its pages are larger than ${MAX_PAGE_BYTES >> 20} MiB.`,
    );
  }
}

async function pageDecoder({element, root, meta}: TextColumn, place: string) {
  const {readPage} = await import('hyparquet/src/column.js');
  const compressors = await loadCompressors();
  if (meta.codec !== 'UNCOMPRESSED' && !compressors[meta.codec]) {
    throw new UnsupportedError(
      `${place} is compressed with ${meta.codec}, which ztt cannot unpack; write it with snappy, gzip or zstd.`,
    );
  }
  // Without its logical type a value stays bytes, so that invalid UTF-8 can be told.
  const bare = {...element, converted_type: undefined, logical_type: undefined};
  const tree = (element: SchemaElement, path: string[]) => ({children: [], count: 1, element, path});
  const decoder = {
    ...meta,
    pathInSchema: meta.path_in_schema,
    element: bare,
    schemaPath: [tree(root, []), tree(bare, meta.path_in_schema)],
    compressors,
    utf8: false,
  };
  return (bytes: Buffer, header: PageHeader, dictionary: unknown): Values => {
    const reader = {view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), offset: 0};
    const {data} = readPage(reader, header, decoder as never, dictionary as never, undefined, 0);
    const values = Array.from((data ?? []) as ArrayLike<unknown>, (value) => value ?? null);
    if (!values.every((value) => value === null || value instanceof Uint8Array)) {
      throw new TypeError('a page of text holds other values');
    }
    return values;
  };
}

/** The compressions of parquet. Node's own are used where it has them: they stop at a size that was given. */
export async function loadCompressors(): Promise<Compressors> {
  const {compressors} = await import('hyparquet-compressors');
  return {
    ...compressors,
    GZIP: (input, length) => gunzipSync(input, {maxOutputLength: Math.max(1, length)}),
    BROTLI: (input, length) => brotliDecompressSync(input, {maxOutputLength: Math.max(1, length)}),
  };
}

/** Runs what parses bytes of the file. @throws FormatError for whatever it throws */
export function sound<T>(place: string, parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ZttError) throw error;
    throw new FormatError(`${place} is no sound parquet file: ${(error as Error).message}.`, {cause: error});
  }
}
