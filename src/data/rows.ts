import {FormatError} from '../errors.js';
import {whole, type Part} from './parts.js';

/** The column of a row's text, and those of its prompt and completion, where none is named. */
const TEXT = 'text';
export const PROMPT = 'prompt';
export const COMPLETION = 'completion';

/** A row of a file, its values by column. */
export interface TableRow {
  values: Record<string, unknown>;
  /** Where it stands, for messages: `FILE, line 3`. */
  place: string;
}

/** The most columns that a message lists. */
const MAX_LISTED = 20;

/**
 * The columns that a row's document is made of: the one named, else `text`, else `prompt` and `completion`.
 * @param there - the columns that there are
 * @throws FormatError listing them
 */
export function documentColumns(
  there: readonly string[],
  named: string | undefined,
  place: string,
): string[] {
  const has = (column: string) => there.includes(column);
  if (named !== undefined && has(named)) return [named];
  if (named === undefined && has(TEXT)) return [TEXT];
  if (named === undefined && has(PROMPT) && has(COMPLETION)) return [PROMPT, COMPLETION];
  const wanted =
    named === undefined
      ? `no column ${TEXT}, nor ${PROMPT} and ${COMPLETION}`
      : `no column ${JSON.stringify(named)}`;
  const listed = there.slice(0, MAX_LISTED).map((column) => JSON.stringify(column));
  const more = there.length > MAX_LISTED ? ` and ${there.length - MAX_LISTED} more` : '';
  const hint = named === undefined && there.length > 0 ? '; name one as FILE:COLUMN' : '';
  throw new FormatError(
    `${place}: ${wanted}; the columns are ${listed.length > 0 ? listed.join(', ') + more : 'none'}${hint}.`,
  );
}

/**
 * A row's document: one text, or a prompt, which is not trained on, and its completion.
 * @param values - the columns' values, as `documentColumns` names them
 * @throws FormatError for a value that is no string
 */
export function rowParts(columns: readonly string[], values: readonly unknown[], place: string): Part[] {
  for (const [i, value] of values.entries()) {
    if (typeof value !== 'string') {
      const what = value === null || value === undefined ? 'null' : kindOf(value);
      throw new FormatError(`${place} at ${columns[i]}: expected a string, not ${what}.`);
    }
  }
  const [first, second] = values as [string, string?];
  if (second === undefined) return whole(first, place);
  return [
    {text: first, begins: true, trained: false, place},
    {text: second, begins: false, trained: true, place},
  ];
}

const kindOf = (value: unknown): string =>
  Array.isArray(value) ? 'a list' : `a value of type ${typeof value}`;
