/** Text from a file as one line of markdown that is nothing but text: no markup, no comment, no end of a table's cell. */
export const plain = (text: string): string =>
  text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/[\\`*_{}[\]<>#|~]/g, '\\$&')
    .replace(/\\([<>])/g, (_, sign: string) => (sign === '<' ? '&lt;' : '&gt;'))
    .trim();

/** Escapes text for a code span. */
export const code = (text: string): string =>
  `\`${text
    .replace(/[\s\p{Cc}]+/gu, ' ')
    .replace(/[`|]/g, "'")
    .replace(/<!--|-->/g, '--')
    .trim()}\``;

/** A table; cells are markdown. The first column is to the left, the others to the right. */
export function markdownTable(columns: readonly string[], rows: readonly (readonly string[])[]): string {
  const rule = columns.map((_, i) => (i === 0 ? '---' : '---:'));
  return [columns, rule, ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Facts, a line each. */
export const factTable = (facts: readonly (readonly [string, string])[]): string =>
  ['| | |', '| --- | --- |', ...facts.map(([name, value]) => `| ${name} | ${value} |`)].join('\n');

export const whole = (n: number): string => n.toLocaleString('en-US', {maximumFractionDigits: 0});

/** At most so many significant digits. */
export const digits = (n: number, most = 4): string => String(Number(n.toPrecision(most)));
