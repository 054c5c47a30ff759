import Table from 'cli-table3';

/** A column's heading; numbers read best on the right. */
export interface Column {
  title: string;
  align?: 'left' | 'right';
}

const BORDERS = [
  'top',
  'top-mid',
  'top-left',
  'top-right',
  'bottom',
  'bottom-mid',
  'bottom-left',
  'bottom-right',
  'left',
  'left-mid',
  'mid',
  'mid-mid',
  'right',
  'right-mid',
] as const;

/** Rows under their headings, aligned with spaces: no borders and no colours, so that it reads and cuts well. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const grid = new Table({
    head: columns.map(({title}) => title),
    colAligns: columns.map(({align}) => align ?? 'left'),
    chars: {...Object.fromEntries(BORDERS.map((name) => [name, ''])), middle: '  '},
    style: {head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0},
  });
  grid.push(...rows.map((row) => [...row]));
  return trimmed(grid.toString());
}

/** Names and their values, one a line, the values aligned; a value's further lines stand under its first. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string {
  const width = Math.max(...rows.map(([name]) => name.length));
  const indent = `\n${' '.repeat(width + 4)}`;
  return rows
    .map(([name, value]) => `  ${name.padEnd(width)}  ${value.replaceAll('\n', indent)}`)
    .map(trimmed)
    .join('\n');
}

const trimmed = (text: string): string => text.replace(/ +$/gm, '');
