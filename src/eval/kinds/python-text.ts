/** What Python calls white space in a str: JavaScript's differs in U+001C to U+001F, U+0085 and U+FEFF. */
const SPACE = '\\t-\\r\\x1c-\\x20\\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000';

const spaces = new RegExp(`[${SPACE}]+`, 'u');
const leadingText = new RegExp(`^[^]*[^${SPACE}]`, 'u');

/** A text's length without its trailing white space, in UTF-16 units: Python's `len(text.rstrip())`. */
export function strippedLength(text: string): number {
  return leadingText.exec(text)?.[0].length ?? 0;
}

const leadingSpaces = new RegExp(`^[${SPACE}]+`, 'u');

/** Python's `str.strip`. */
export const strip = (text: string): string => stripLeft(text.slice(0, strippedLength(text)));

/** Python's `str.lstrip`. */
export const stripLeft = (text: string): string => text.replace(leadingSpaces, '');

/** Words as the harness counts them, `len(re.split(r"\s+", text))`: empty pieces at the ends count. */
export function countWords(text: string): number {
  return text.split(spaces).length;
}

/** A text's length in Unicode code points: Python's `len`. */
export function codePoints(text: string): number {
  return Array.from(text).length;
}

/** A number as Python prints a float: `-3.0`, `1e-05`. */
export function pythonNumber(value: number): string {
  const size = Math.abs(value);
  if (!Number.isFinite(value)) return Number.isNaN(value) ? 'nan' : value > 0 ? 'inf' : '-inf';
  if (size !== 0 && (size < 1e-4 || size >= 1e16)) {
    return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
  }
  if (Object.is(value, -0)) return '-0.0';
  return Number.isInteger(value) ? `${value}.0` : String(value);
}
