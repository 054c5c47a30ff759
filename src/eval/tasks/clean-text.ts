import {strip} from '../kinds/python-text.js';

// Clean-ups of the harness's tasks, with Python's meaning of white space. Each takes time in proportion to the text.

/** A hellaswag text: titles become sentence ends, what is in brackets goes, and pairs of spaces, once. */
export const cleanHellaswag = (text: string): string =>
  withoutBrackets(strip(text).replaceAll(' [title]', '. ')).replaceAll('  ', ' ');

/** Python's `str.capitalize`: the first character in upper case, all others in lower. */
export function capitalise(text: string): string {
  const [first = ''] = text;
  return first.toUpperCase() + text.slice(first.length).toLowerCase();
}

/** A page of WikiText as prose: what its tokenisation put between characters is taken out. */
export function detokenise(page: string): string {
  const marked = replaceAll(page, BEFORE).replace(/\/' [0-9]\//g, "/'[0-9]/");
  return replaceAll(PADDED.reduce(unpad, replaceAll(marked, MARKS)), AFTER);
}

/** Replacements, and the pairs of marks between them whose inside loses its padding; in the harness's order. */
const BEFORE = [["s '", "s'"]] as const;
const MARKS = [
  [' @-@ ', '-'],
  [' @,@ ', ','],
  [' @.@ ', '.'],
  ...[':', ';', '.', '!', '?', ','].map((mark) => [` ${mark} `, `${mark} `] as const),
] as const;
const PADDED = ['()', '[]', '{}', '""', "''"];
const AFTER = [
  ['= = = =', '===='],
  ['= = =', '==='],
  ['= =', '=='],
  [' \u00b0 ', '\u00b0'],
  [' \n', '\n'],
  ['\n ', '\n'],
  [' N ', ' 1 '],
  [" 's", "'s"],
] as const;

const replaceAll = (text: string, table: readonly (readonly [string, string])[]): string =>
  table.reduce((result, [from, to]) => result.replaceAll(from, to), text);

/** What stands between an opening mark and the next closing one, without white space at its ends. */
function unpad(text: string, [open, close]: string): string {
  let result = '';
  for (let done = 0; ;) {
    const start = text.indexOf(open!, done);
    const end = start < 0 ? -1 : text.indexOf(close!, start + 1);
    if (end < 0) return result + text.slice(done);
    result += text.slice(done, start + 1) + strip(text.slice(start + 1, end)) + close;
    done = end + 1;
  }
}

/** A text without its shortest stretches from `[` to `]` within a line. */
function withoutBrackets(text: string): string {
  let result = '';
  for (let done = 0; ;) {
    const start = text.indexOf('[', done);
    const end = start < 0 ? -1 : text.indexOf(']', start);
    if (end < 0) return result + text.slice(done);
    const line = text.indexOf('\n', start);
    const broken = line >= 0 && line < end;
    result += text.slice(done, broken ? line + 1 : start);
    done = broken ? line + 1 : end + 1;
  }
}
