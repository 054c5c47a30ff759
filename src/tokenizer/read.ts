import {basename, join} from 'node:path';
import {z} from 'zod';
import {exists, parseWith, readJson, readText} from '../checkpoint/index.js';
import {FileError, FormatError, UnsupportedError} from '../errors.js';
import {addTokens, specialAdditions, type AddedToken, type Addition, type Named} from './added-tokens.js';
import {
  addedTokensSchema,
  configSchema,
  serialisedTokensSchema,
  specialTokensSchema,
  type NamedToken,
  type SpecialTokens,
  type TokenizerConfig,
} from './config.js';
import {
  checkDecoder,
  parseNormalizer,
  parsePostProcessor,
  parsePreTokenizer,
  WORDS,
  type NormalForm,
  type PreTokenizer,
  type Surroundings,
} from './pipeline.js';
import {parseMergesJson, parseMergesText, parseVocabulary, shortJson, type BytePairs} from './vocabulary.js';

/** Everything that a byte-level BPE tokenizer's files say, checked. */
export interface TokenizerSpec extends BytePairs, PreTokenizer, Surroundings {
  normalForms: NormalForm[];
  /** Whether a piece that is a token stays whole, whatever the merges. */
  ignoreMerges: boolean;
  /** The token for a byte that the vocabulary lacks; null drops it. */
  unknownToken: string | null;
  /** By content. */
  addedTokens: ReadonlyMap<string, AddedToken>;
  /** Ids of the tokens that begin, end and fill up a text; null where there are none. */
  named: {bos: number | null; eos: number | null; pad: number | null};
}

/** No tokenizer's file comes near this. */
const MAX_BYTES = 64 << 20;

/** What GPT-2's and OPT's tokenizer is called in Transformers; what has no name is it too. */
const GPT2_CLASS = /^GPT2Tokenizer(Fast)?$/;
const GPT2_TOKEN: Record<'bos_token' | 'eos_token' | 'unk_token', {content: string}> = {
  bos_token: {content: '<|endoftext|>'},
  eos_token: {content: '<|endoftext|>'},
  unk_token: {content: '<|endoftext|>'},
};

/** Tokenizers that are none of ours, by a file that they have. */
const OTHER_TOKENIZERS = {
  'vocab.txt': 'a WordPiece tokenizer',
  'spiece.model': 'a SentencePiece tokenizer',
  'tokenizer.model': 'a SentencePiece tokenizer',
};

/**
 * Reads a folder's tokenizer: tokenizer.json, or vocab.json and merges.txt, with what tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json add, as Transformers 5 reads them.
 * @throws FileError if there is none, FormatError naming the file and place for a broken one, UnsupportedError
 *   for one that is not byte-level BPE
 */
export async function readTokenizer(folder: string): Promise<TokenizerSpec> {
  const files = await readFiles(folder);
  const tokenizer = join(folder, 'tokenizer.json');
  if (await exists(tokenizer))
    return fromJson(await readJson(tokenizer, jsonSchema, MAX_BYTES), tokenizer, files);
  const [vocab, merges] = [join(folder, 'vocab.json'), join(folder, 'merges.txt')];
  if ((await exists(vocab)) && (await exists(merges))) return fromVocabulary(vocab, merges, files);
  for (const [name, what] of Object.entries(OTHER_TOKENIZERS)) {
    if (await exists(join(folder, name))) {
      throw new UnsupportedError(
        `${join(folder, name)} is ${what}, which ztt does not read; it reads byte-level BPE, as GPT-2 and OPT have it.`,
      );
    }
  }
  throw new FileError(
    `${folder} has no tokenizer: neither tokenizer.json nor vocab.json with merges.txt; copy the source model's there.`,
  );
}

/** The small files beside the vocabulary. */
interface Files {
  config: TokenizerConfig;
  map: SpecialTokens;
  /** Tokens that the files add, by their own account. */
  additions: Addition[];
  /** Whether tokenizer_config.json lists all of them, and what other files add is not asked. */
  complete: boolean;
  /** Whether Transformers takes the tokenizer for GPT-2's. */
  gpt2: boolean;
  configPath: string;
}

async function readFiles(folder: string): Promise<Files> {
  const optional = async <T extends z.ZodType>(name: string, schema: T): Promise<z.output<T> | undefined> => {
    const path = join(folder, name);
    return (await exists(path)) ? readJson(path, schema, MAX_BYTES) : undefined;
  };
  const configPath = join(folder, 'tokenizer_config.json');
  const config = (await optional('tokenizer_config.json', configSchema)) ?? {};
  if (config.split_special_tokens) {
    throw new UnsupportedError(`${configPath}: split_special_tokens is not supported.`);
  }
  const decoder = config.added_tokens_decoder;
  const map = decoder ? undefined : await optional('special_tokens_map.json', specialTokensSchema);
  const added = decoder ? undefined : await optional('added_tokens.json', addedTokensSchema);
  const where = join(folder, 'added_tokens.json');
  return {
    config,
    map: map ?? {},
    additions: decoder
      ? Object.entries(decoder).map(([id, token]) => ({token, id: Number(id), where: configPath}))
      : Object.entries(added ?? {}).map(([content, id]) => ({token: {content}, id, where})),
    complete: Boolean(decoder),
    gpt2: GPT2_CLASS.test(config.tokenizer_class ?? 'GPT2Tokenizer'),
    configPath,
  };
}

const jsonSchema = z.looseObject({
  model: z.looseObject({type: z.string().nullish()}),
  added_tokens: serialisedTokensSchema.nullish(),
});

const modelSchema = z.looseObject({
  dropout: z.number().nullish(),
  unk_token: z.string().nullish(),
  continuing_subword_prefix: z.string().nullish(),
  end_of_word_suffix: z.string().nullish(),
  fuse_unk: z.boolean().nullish(),
  byte_fallback: z.boolean().nullish(),
  ignore_merges: z.boolean().nullish(),
});

function fromJson(json: z.output<typeof jsonSchema>, path: string, files: Files): TokenizerSpec {
  const {model} = json;
  const at = (place: string) => `${path} at ${place}`;
  if (model.type ? model.type !== 'BPE' : !('merges' in model)) {
    throw new UnsupportedError(
      `${at('model')}: ${shortJson(model.type ?? null)} is no byte-pair encoding; ztt reads byte-level BPE, as GPT-2 and OPT have it.`,
    );
  }
  const options = parseWith(modelSchema, model, at('model'));
  for (const key of [
    'dropout',
    'continuing_subword_prefix',
    'end_of_word_suffix',
    'fuse_unk',
    'byte_fallback',
  ] as const) {
    if (options[key]) {
      throw new UnsupportedError(`${at('model')}: ${key} ${shortJson(options[key])} is not supported.`);
    }
  }
  const vocabulary = parseVocabulary(model.vocab, at('model.vocab'));
  const unknownToken = options.unk_token ?? null;
  if (unknownToken !== null && !vocabulary.has(unknownToken)) {
    throw new FormatError(`${at('model')}: the vocabulary lacks unk_token ${shortJson(unknownToken)}.`);
  }
  const preTokenizer = parsePreTokenizer(json.pre_tokenizer, at('pre_tokenizer'));
  // Transformers' GPT2Tokenizer takes it from its config.
  if (files.gpt2 && preTokenizer.splits[0]?.pattern === WORDS) {
    preTokenizer.prefixSpace = files.config.add_prefix_space ?? false;
  }
  checkDecoder(json.decoder, at('decoder'));
  const own = (json.added_tokens ?? []).map(({id, ...token}) => ({token, id, where: path}));
  const spec = {
    vocabulary,
    merges: parseMergesJson(model.merges, at('model.merges'), vocabulary),
    normalForms: parseNormalizer(json.normalizer, at('normalizer')),
    ...preTokenizer,
    ...parsePostProcessor(json.post_processor, at('post_processor')),
    ignoreMerges: options.ignore_merges ?? false,
    unknownToken,
  };
  return withTokens(spec, files.gpt2 && files.complete ? [] : own, files);
}

async function fromVocabulary(vocab: string, merges: string, files: Files): Promise<TokenizerSpec> {
  const {config, gpt2, configPath} = files;
  if (!gpt2) {
    throw new UnsupportedError(
      `${configPath}: tokenizer_class ${shortJson(config.tokenizer_class)} is not supported without a tokenizer.json; ${basename(vocab)} and ${basename(merges)} are read as GPT2Tokenizer's.`,
    );
  }
  const vocabulary = parseVocabulary(await readJson(vocab, z.unknown(), MAX_BYTES), vocab);
  const spec = withTokens(
    {
      vocabulary,
      merges: parseMergesText(await readText(merges, MAX_BYTES), merges, vocabulary),
      normalForms: [],
      splits: [{pattern: WORDS, removed: false}],
      prefixSpace: config.add_prefix_space ?? false,
      before: [],
      after: [],
      ignoreMerges: false,
      unknownToken: null,
    },
    [],
    files,
  );
  const {bos, eos} = spec.named;
  return {
    ...spec,
    before: config.add_bos_token && bos !== null ? [bos] : [],
    after: config.add_eos_token && eos !== null ? [eos] : [],
  };
}

type Untokened = Omit<TokenizerSpec, 'addedTokens' | 'named'>;

/** Adds the tokens of the files to those of tokenizer.json, and checks that what surrounds a text is a token. */
function withTokens(spec: Untokened, own: readonly Addition[], files: Files): TokenizerSpec {
  const {config, map, gpt2, configPath} = files;
  const named: Named = {...(gpt2 ? GPT2_TOKEN : {}), ...given(config), ...given(map)};
  const id = ({id: value}: Addition) => Number(value);
  const listed = [...own, ...files.additions].sort((a, b) => id(a) - id(b));
  const specials = specialAdditions(named, [config, map], configPath);
  const specialContents = new Set(specials.map(({token}) => token.content));
  // added_tokens.json tells nothing but the id.
  const additions = listed.map((addition) => ({
    ...addition,
    token: {
      ...addition.token,
      special: addition.token.special ?? specialContents.has(addition.token.content),
    },
  }));
  const addedTokens = addTokens([...additions, ...specials], spec.vocabulary);
  const known = new Set([...spec.vocabulary.values(), ...[...addedTokens.values()].map((token) => token.id)]);
  const unknown = [...spec.before, ...spec.after].find((value) => !known.has(value));
  if (unknown !== undefined) {
    throw new FormatError(`${configPath}: the tokenizer puts id ${unknown} around texts, which is no token.`);
  }
  const idOf = (name: NamedToken): number | null => {
    const content = named[name]?.content;
    return content === undefined ? null : (addedTokens.get(content)?.id ?? null);
  };
  const ids = {bos: idOf('bos_token'), eos: idOf('eos_token'), pad: idOf('pad_token')};
  return {...spec, addedTokens, named: ids};
}

/** The named tokens that a file speaks of. */
function given(file: SpecialTokens): Named {
  return Object.fromEntries(Object.entries(file).filter(([, value]) => value !== undefined));
}
