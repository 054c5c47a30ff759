/** Markup that is safe to put into a page: made by `html`, which escapes all that it is given. */
export class Html {
  constructor(readonly markup: string) {}
}

const ENTITIES: Record<string, string> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

const escape = (text: string): string =>
  // Control characters are not allowed in a document, escaped or not.
  text.replace(/[&<>"']/g, (char) => ENTITIES[char]!).replace(/[^\P{Cc}\n\t]/gu, '\uFFFD');

type Value = Html | string | number | readonly Value[];

const markupOf = (value: Value): string => {
  if (value instanceof Html) return value.markup;
  if (typeof value === 'object') return value.map(markupOf).join('');
  return escape(String(value));
};

/** A template for HTML and SVG: text is escaped, `Html` goes in as it is, arrays are joined. Attributes are quoted. */
export function html(strings: TemplateStringsArray, ...values: Value[]): Html {
  const parts = strings.map((text, i) => text + (i < values.length ? markupOf(values[i]!) : ''));
  return new Html(parts.join(''));
}
