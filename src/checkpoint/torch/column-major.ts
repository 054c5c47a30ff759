import type {ByteFile} from '../bytes/byte-file.js';
import {CHUNK_BYTES, reuseChunk} from '../bytes/chunk-memory.js';
import {aligned} from '../tensors/dtype.js';

/** Bytes of the output that are put together in memory at a time; each takes one pass over the stored bytes. */
const PANEL_BYTES = 16 * CHUNK_BYTES;

/** A matrix whose columns are stored one after the other. */
export interface ColumnMajorMatrix {
  rows: number;
  columns: number;
  elementBytes: number;
}

/**
 * A range of the bytes of a column-major matrix in row-major order, in chunks as `ByteFile.chunks` gives them. Holds
 * a panel of at most 64 MiB, however large the matrix is.
 * @param place - the matrix's first byte in the file
 * @param start - the first byte wanted, in row-major order
 * @param end - one past the last
 */
export async function* columnMajorChunks(
  file: ByteFile,
  place: number,
  matrix: ColumnMajorMatrix,
  start: number,
  end: number,
): AsyncGenerator<Uint8Array> {
  for (let from = start; from < end; from += PANEL_BYTES) {
    const panel = await readPanel(file, place, matrix, from, Math.min(PANEL_BYTES, end - from));
    for (let at = 0; at < panel.length; at += CHUNK_BYTES) yield panel.slice(at, at + CHUNK_BYTES);
  }
}

/** The row-major bytes from `from` on, gathered in one pass over the columns. */
async function readPanel(
  file: ByteFile,
  start: number,
  {rows, columns, elementBytes}: ColumnMajorMatrix,
  from: number,
  bytes: number,
): Promise<Uint8Array> {
  const panel = new Uint8Array(bytes);
  const out = elementsOf(panel, elementBytes);
  const first = from / elementBytes;
  // The first row of a column whose element is at or past a place in row-major order.
  const rowAt = (place: number, column: number) => Math.max(0, Math.ceil((place - column) / columns));
  let stored = 0;
  for await (const chunk of file.chunks(start, rows * columns * elementBytes)) {
    const elements = elementsOf(chunk, elementBytes);
    const end = stored + elements.length;
    for (let column = Math.floor(stored / rows); column * rows < end; column++) {
      const firstStored = column * rows;
      const lastRow = Math.min(rowAt(first + out.length, column), end - firstStored);
      for (let row = Math.max(rowAt(first, column), stored - firstStored); row < lastRow; row++) {
        out[row * columns + column - first] = elements[firstStored + row - stored]!;
      }
    }
    stored = end;
    reuseChunk(chunk);
  }
  return panel;
}

/** Bytes as whole elements, whatever they mean: unsigned integers of their size, which are copied as they are. */
function elementsOf(bytes: Uint8Array, size: number): Record<number, number | bigint> & {length: number} {
  const {buffer, byteOffset, byteLength} = aligned(bytes, size);
  if (size === 1) return new Uint8Array(buffer, byteOffset, byteLength);
  if (size === 2) return new Uint16Array(buffer, byteOffset, byteLength / 2);
  if (size === 4) return new Uint32Array(buffer, byteOffset, byteLength / 4);
  return new BigUint64Array(buffer, byteOffset, byteLength / 8);
}
