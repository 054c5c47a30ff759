/**
 * A tokenizer_config.json with a class at its end, which there counts even behind another, else as it was.
 * @param text - a JSON object; null where there is none
 */
export function withTokenizerClass(text: string | null, name: string): string {
  if (text === null) return created(name);
  const {body, end, space} = parts(text);
  return body + (body.endsWith('{') ? '' : `,${space}`) + entry(name) + end;
}

/** A tokenizer_config.json as it was before `withTokenizerClass`: null where there was none. */
export function withoutTokenizerClass(text: string, name: string): string | null {
  if (text === created(name)) return null;
  const {body, end, space} = parts(text);
  const before = body.slice(0, -entry(name).length);
  const last = `,${space}`;
  // Edited since: it stays.
  if (before + entry(name) !== body) return text;
  if (before.endsWith('{')) return before + end;
  return before.endsWith(last) ? before.slice(0, -last.length) + end : text;
}

/** An object's text up to its last entry, what follows, and the white space that stands before its first entry. */
function parts(text: string): {body: string; end: string; space: string} {
  const body = text.trimEnd().slice(0, -1).trimEnd();
  return {body, end: text.slice(body.length), space: /^\s*\{(\s*)/.exec(text)?.[1] || ' '};
}

const entry = (name: string): string => `"tokenizer_class": ${JSON.stringify(name)}`;
const created = (name: string): string => `{\n  ${entry(name)}\n}\n`;
