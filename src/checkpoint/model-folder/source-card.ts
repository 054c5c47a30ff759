import {join} from 'node:path';
import {z} from 'zod';
import {parseYaml, readText} from '../../files/index.js';

/** A model card's file. */
export const README = 'README.md';
/** No card comes near this; what is larger is not read. */
export const MAX_README_BYTES = 1 << 20;

/** The Hub's ids of licenses (`apache-2.0`), and of languages (`en`, `pt-BR`, `multilingual`). */
const license = z.string().regex(/^[a-z0-9][a-z0-9.+-]{0,63}$/);
const language = z.string().regex(/^[a-z]{2,3}(-[A-Za-z0-9]{2,8}){0,3}$|^(code|multilingual)$/);
/** A name or an address on one line. */
const line = z.string().regex(/^[\x21-\x7e][\x20-\x7e]{0,255}$/);

/** What a source's model card says that also holds for what is made of it. */
export const sourceCardSchema = z.object({
  license: license.optional(),
  /** Of a license that the Hub has no id for, where `license` is `other`. */
  license_name: line.optional(),
  license_link: line.optional(),
  language: z.array(language).max(200).optional(),
});

export type SourceCard = z.output<typeof sourceCardSchema>;

/** A card's YAML, which stands between two lines of dashes, and the text behind it. */
export function splitFrontMatter(text: string): {yaml: string | null; body: string} {
  const found = /^\uFEFF?\s*---[ \t]*\r?\n(?:([\s\S]*?)\r?\n)??---[ \t]*(?:\r?\n|$)/.exec(text);
  return found ? {yaml: found[1] ?? '', body: text.slice(found[0].length)} : {yaml: null, body: text};
}

/**
 * What the README.md of a source says of license and languages, as far as it has the Hub's form: a source with a bad
 * card, or with none, can be used all the same.
 * @returns undefined if it says nothing
 */
export async function readSourceCard(folder: string): Promise<SourceCard | undefined> {
  const text = await readText(join(folder, README), MAX_README_BYTES).catch(() => '');
  const {yaml} = splitFrontMatter(text);
  const metadata = parseQuietly(yaml ?? '');
  const {language: one} = metadata;
  const languages = (Array.isArray(one) ? one : [one]).filter((each) => language.safeParse(each).success);
  const {shape} = sourceCardSchema;
  const card: SourceCard = {
    license: shape.license.safeParse(metadata.license).data,
    license_name: shape.license_name.safeParse(metadata.license_name).data,
    license_link: shape.license_link.safeParse(metadata.license_link).data,
    language: languages.length > 0 ? (languages as string[]) : undefined,
  };
  return card.license || card.language ? card : undefined;
}

function parseQuietly(yaml: string): Record<string, unknown> {
  try {
    const value = parseYaml(yaml, README);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
