import {FormatError} from '../errors.js';
import {JSON_LINES, PARQUET} from './documents.js';
import {jsonRows} from './json-lines.js';
import {parquetRows} from './parquet-rows.js';
import type {DataFile} from './parts.js';
import type {TableRow} from './rows.js';

/**
 * The rows of a .jsonl or .parquet file, with all their columns.
 * @throws FormatError for a file of another kind; as `jsonRows` and `parquetRows`
 */
export function readRows(file: DataFile): AsyncGenerator<TableRow> {
  if (JSON_LINES.test(file.path)) return jsonRows(file);
  if (PARQUET.test(file.path)) return parquetRows(file);
  throw new FormatError(`${file.path} has no rows that could be read; give .jsonl or .parquet.`);
}
