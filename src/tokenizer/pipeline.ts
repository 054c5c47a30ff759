import {z} from 'zod';
import {parseWith} from '../files/index.js';
import {FormatError, UnsupportedError} from '../errors.js';
import {requireId, shortJson} from './vocabulary.js';

// What a tokenizer.json does before and after byte-pair encoding. A pattern out of a file could take a regular
// expression engine forever, so none is run: the known ones are recognised, and ztt's own are run in their place.

const NORMAL_FORMS = ['NFC', 'NFD', 'NFKC', 'NFKD'] as const;
export type NormalForm = (typeof NORMAL_FORMS)[number];

/** A cut of the text before byte-pair encoding. */
export interface Split {
  /** A regular expression in the syntax of tokenizer.json. Each match is a piece, and so is what lies between. */
  pattern: string;
  /** Whether matches are dropped. */
  removed: boolean;
  /** The text it looks for, where it is a text. */
  literal?: string;
}

/** How text becomes pieces. */
export interface PreTokenizer {
  splits: Split[];
  /** Whether a piece between special tokens that begins with no space gets one. */
  prefixSpace: boolean;
}

/** Ids that the tokenizer puts around each text by itself. */
export interface Surroundings {
  before: number[];
  after: number[];
}

/** The words of GPT-2, with the spaces before them. */
export const WORDS = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

/** Galactica's: each bracket alone, a punctuation mark with its own repetitions. */
const PUNCTUATION = `[\\(\\)\\[\\]\\{\\}]|([!"\\#\\$%\\&'\\*\\+,\\-\\./:;<=>\\?\\\\\\^_\`\\|\\~])\\1*`;

/** The regular expressions that ztt knows, as files spell them, and what is run for each. */
const KNOWN_PATTERNS: ReadonlyMap<string, string> = new Map([
  [WORDS, WORDS],
  [PUNCTUATION, PUNCTUATION],
  [PUNCTUATION.replace('"', '\\"'), PUNCTUATION],
]);

const stepSchema = z.looseObject({type: z.string()});
type Step = z.output<typeof stepSchema>;

/**
 * A component's steps: those of a `Sequence`, or itself.
 * @param key - what a `Sequence` of its kind calls them
 */
function steps(value: unknown, key: string, where: string): Step[] {
  const step = parseWith(stepSchema.nullish(), value, where);
  if (!step) return [];
  if (step.type !== 'Sequence') return [step];
  return parseWith(z.array(stepSchema).max(64), step[key], `${where}.${key}`);
}

/** @throws FormatError or UnsupportedError for what is no Unicode normal form */
export function parseNormalizer(value: unknown, where: string): NormalForm[] {
  return steps(value, 'normalizers', where).map(({type}) => {
    const form = NORMAL_FORMS.find((name) => name === type);
    if (!form) throw unsupported('normalizer', type, where);
    return form;
  });
}

const flag = z.boolean().nullish();
const byteLevelSchema = z.looseObject({add_prefix_space: z.boolean(), use_regex: flag});
const digitsSchema = z.looseObject({individual_digits: flag});
const splitSchema = z.looseObject({
  pattern: z.union([z.object({Regex: z.string()}), z.object({String: z.string().min(1).max(256)})]),
  behavior: z.string(),
  invert: flag,
});

/**
 * Splits, the last of them into GPT-2's words, and the bytes of what is left.
 * @throws FormatError for broken ones, UnsupportedError for others
 */
export function parsePreTokenizer(value: unknown, where: string): PreTokenizer {
  const list = steps(value, 'pretokenizers', where);
  const last = list.pop();
  if (last?.type !== 'ByteLevel') throw unsupported('pre-tokenizer', last?.type ?? 'null', where);
  const {add_prefix_space: prefixSpace, use_regex: regex} = parseWith(byteLevelSchema, last, where);
  const splits = list.map((step) => parseSplit(step, where));
  if (regex ?? true) splits.push({pattern: WORDS, removed: false});
  if (splits.at(-1)?.pattern !== WORDS) {
    throw new UnsupportedError(
      `${where}: a tokenizer that does not cut text into GPT-2's words is not supported.`,
    );
  }
  // After other splits it would stand before each of their pieces.
  if (prefixSpace && splits.length > 1) {
    throw new UnsupportedError(`${where}: add_prefix_space after other splits is not supported.`);
  }
  return {splits, prefixSpace};
}

function parseSplit(step: Step, where: string): Split {
  if (step.type === 'Digits') {
    const {individual_digits: individual} = parseWith(digitsSchema, step, where);
    return {pattern: individual ? '\\p{N}' : '\\p{N}+', removed: false};
  }
  if (step.type !== 'Split') throw unsupported('pre-tokenizer', step.type, where);
  const {pattern, behavior, invert} = parseWith(splitSchema, step, where);
  const behaviour = `${behavior}${invert ? ' inverted' : ''}`;
  if ('String' in pattern && ['Isolated', 'Removed'].includes(behaviour)) {
    const {String: literal} = pattern;
    return {pattern: escaped(literal), removed: behaviour === 'Removed', literal};
  }
  const known = 'Regex' in pattern ? KNOWN_PATTERNS.get(pattern.Regex) : undefined;
  // Words leave nothing between them: to keep the matches and drop the rest is the same.
  if (known && (behaviour === 'Isolated' || (known === WORDS && behaviour === 'Removed inverted'))) {
    return {pattern: known, removed: false};
  }
  throw new UnsupportedError(
    `${where}: the Split of ${shortJson(pattern)}, ${behaviour}, is none that ztt knows, and patterns out of a file are not run.`,
  );
}

/** A pattern that finds a text. */
const escaped = (text: string): string =>
  [...text].map((character) => `\\x{${character.codePointAt(0)!.toString(16)}}`).join('');

/** @throws FormatError for a broken one, UnsupportedError for one that is not byte-level */
export function checkDecoder(value: unknown, where: string): void {
  for (const {type} of steps(value, 'decoders', where)) {
    if (type !== 'ByteLevel') throw unsupported('decoder', type, where);
  }
}

const templatePiece = z.union([
  z.object({SpecialToken: z.looseObject({id: z.string()})}),
  z.object({Sequence: z.looseObject({id: z.enum(['A', 'B'])})}),
]);
const templateSchema = z.looseObject({
  single: z.array(templatePiece).max(64),
  special_tokens: z.record(z.string(), z.looseObject({ids: z.array(z.unknown()).max(64)})),
});
const pair = z.tuple([z.string(), z.unknown()]);
const clsSepSchema = z.looseObject({cls: pair, sep: pair});

/**
 * What a post-processor puts around a text.
 * @throws FormatError for a broken one, UnsupportedError for another kind
 */
export function parsePostProcessor(value: unknown, where: string): Surroundings {
  const around: Surroundings = {before: [], after: []};
  for (const step of steps(value, 'processors', where)) {
    const {before, after} = parseSurroundings(step, where);
    around.before.unshift(...before);
    around.after.push(...after);
  }
  return around;
}

function parseSurroundings(step: Step, where: string): Surroundings {
  switch (step.type) {
    case 'ByteLevel':
      return {before: [], after: []};
    case 'TemplateProcessing':
      return parseTemplate(step, where);
    case 'BertProcessing':
    case 'RobertaProcessing': {
      const {cls, sep} = parseWith(clsSepSchema, step, where);
      for (const [token, id] of [cls, sep]) requireId(id, `${where}: token ${JSON.stringify(token)}`);
      return {before: [cls[1] as number], after: [sep[1] as number]};
    }
    default:
      throw unsupported('post-processor', step.type, where);
  }
}

function parseTemplate(step: Step, where: string): Surroundings {
  const {single, special_tokens: specials} = parseWith(templateSchema, step, where);
  const place = single.findIndex((piece) => 'Sequence' in piece && piece.Sequence.id === 'A');
  const ids = (pieces: typeof single): number[] =>
    pieces.flatMap((piece) => {
      if ('Sequence' in piece) throw new FormatError(`${where}.single: there must be one text, A.`);
      const {id: name} = piece.SpecialToken;
      const special = Object.hasOwn(specials, name) ? specials[name] : undefined;
      if (!special)
        throw new FormatError(`${where}.single: ${shortJson(name)} is not in its special_tokens.`);
      return special.ids.map((id) => {
        requireId(id, `${where}.special_tokens: ${shortJson(name)}`);
        return id;
      });
    });
  if (place < 0) throw new FormatError(`${where}.single: there must be one text, A.`);
  return {before: ids(single.slice(0, place)), after: ids(single.slice(place + 1))};
}

const unsupported = (what: string, type: string, where: string): UnsupportedError =>
  new UnsupportedError(
    `${where}: ${what} ${shortJson(type)} is not supported; ztt reads byte-level BPE tokenizers, as GPT-2, OPT and Galactica have them.`,
  );
