import {z} from 'zod';
import {splitFrontMatter} from '../checkpoint/index.js';
import {FormatError} from '../errors.js';
import {
  hashOf,
  mergeMetadata,
  ownValues,
  parseMetadata,
  yamlOf,
  type Metadata,
  type Written,
} from './metadata.js';

const BEGIN = '<!-- ztt:begin -->';
const END = '<!-- ztt:end -->';
const RECORD = /^<!-- ztt:wrote (\{.*\}) -->$/m;

const recordSchema = z.object({
  /** The hashes of generated metadata, as `mergeMetadata` gives them. */
  keys: z.record(z.string(), z.string()),
  /** The hash of what a person had written when that was. */
  own: z.string(),
});

/** A README.md: what a person wrote, and what stands between the markers. */
export interface Readme {
  /** The YAML without its lines of dashes; null if there is none. */
  yaml: string | null;
  /** The text before the markers, and behind them. */
  before: string;
  after: string;
  written: Written;
  /** The hash of what a person had written when the text between the markers was made; null if there is none. */
  ownThen: string | null;
  /** The same for now. */
  ownNow: string;
  /** True if a person has written anything. */
  hasOwn: boolean;
}

/** @throws FormatError for markers that do not pair, and metadata that is no YAML map; it names `where` */
export function parseReadme(text: string, where: string): Readme {
  const {yaml, body} = splitFrontMatter(text);
  const [before = '', rest, ...more] = body.split(BEGIN);
  const [block, after, ...extra] = rest?.split(END) ?? ['', ''];
  if (more.length > 0 || extra.length > 0 || after === undefined || before.includes(END)) {
    throw new FormatError(
      `${where} must have one ${BEGIN} and one ${END} behind it, or neither; what stands between is made anew.`,
    );
  }
  const record = readRecord(block ?? '');
  const written = record?.keys ?? {};
  const own = [ownValues(parseMetadata(yaml ?? '', where), written), before.trim(), after.trim()];
  return {
    yaml,
    before,
    after,
    written,
    ownThen: record?.own ?? null,
    ownNow: hashOf(own),
    hasOwn: hashOf(own) !== hashOf([{}, '', '']),
  };
}

function readRecord(block: string): z.output<typeof recordSchema> | null {
  const found = RECORD.exec(block);
  if (!found) return null;
  try {
    return recordSchema.safeParse(JSON.parse(found[1]!)).data ?? null;
  } catch {
    return null;
  }
}

/** A README.md with values that count as a person's. @throws FormatError as `parseReadme` */
export function withOwnValues(readme: Readme | null, values: Metadata, where: string): Readme {
  const document = parseMetadata(readme?.yaml ?? '', where);
  for (const [key, value] of Object.entries(values)) document.set(key, value);
  return {...(readme ?? parseReadme('', where)), yaml: yamlOf(document)};
}

/** The generated part of a card. */
export interface Generated {
  metadata: Metadata;
  /** Markdown, without the markers. */
  text: string;
}

/**
 * A README.md with what is generated in the place of what was, and all else as a person wrote it. Text without
 * markers comes first.
 * @param readme - the one that is there; null for none
 * @throws FormatError as `parseReadme`
 */
export function composeReadme(readme: Readme | null, {metadata, text}: Generated, where: string): string {
  const {before = '', after = ''} = readme ?? {};
  const merged = mergeMetadata(parseMetadata(readme?.yaml ?? '', where), metadata, readme?.written ?? {});
  const compose = (own: string) => {
    const record = `<!-- ztt:wrote ${JSON.stringify({keys: merged.written, own})} -->`;
    const block = `${BEGIN}\n${record}\n\n${text.trim()}\n\n${END}`;
    const gap = before === '' || before.endsWith('\n\n') || readme?.ownThen !== null ? '' : '\n\n';
    return `---\n${merged.yaml}---\n${before === '' ? '\n' : before}${gap}${block}${after || '\n'}`;
  };
  return compose(parseReadme(compose(''), where).ownNow);
}

/**
 * Chooses between the README here and the one in the repo: it takes the one with a person's words. The repo's is taken
 * if the one here has generated text only, and the other way round.
 * @returns undefined if a person wrote different words in both
 */
export function chooseReadme(here: Readme | null, there: Readme | null): Readme | null | undefined {
  if (!there || here?.ownNow === there.ownNow) return here;
  const untouched = ({hasOwn, ownThen, ownNow}: Readme) => !hasOwn || ownThen === ownNow;
  if (!here || untouched(here)) return there;
  return untouched(there) ? here : undefined;
}
