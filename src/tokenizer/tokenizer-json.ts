import {z} from 'zod';
import {parseWith, readJson} from '../files/index.js';
import {FormatError, UnsupportedError} from '../errors.js';
import {isWholeAlphabet} from './alphabet.js';
import {serialisedTokensSchema} from './config.js';
import {MAX_BYTES, type Files} from './files.js';
import {checkDecoder, parseNormalizer, parsePostProcessor, parsePreTokenizer, WORDS} from './pipeline.js';
import {withTokens, type TokenizerSpec} from './spec.js';
import {parseMergesJson, parseVocabulary, shortJson} from './vocabulary.js';

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

/**
 * Reads a tokenizer.json.
 * @throws FormatError naming the place of what is broken, UnsupportedError for what is not byte-level BPE
 */
export async function fromJson(path: string, files: Files): Promise<TokenizerSpec> {
  const json = await readJson(path, jsonSchema, MAX_BYTES);
  const {model} = json;
  const at = (place: string) => `${path} at ${place}`;
  if (model.type ? model.type !== 'BPE' : !('merges' in model)) {
    throw new UnsupportedError(
      `${at('model')}: ${shortJson(model.type ?? null)} is no byte-pair encoding; ztt reads byte-level BPE, as GPT-2 and OPT have it.`,
    );
  }
  const options = parseWith(modelSchema, model, at('model'));
  const vocabulary = parseVocabulary(model.vocab, at('model.vocab'));
  // The last two are for what the vocabulary lacks, and it lacks nothing that has every byte.
  const lossy = isWholeAlphabet(vocabulary) ? [] : (['fuse_unk', 'byte_fallback'] as const);
  for (const key of ['dropout', 'continuing_subword_prefix', 'end_of_word_suffix', ...lossy] as const) {
    if (options[key]) {
      throw new UnsupportedError(`${at('model')}: ${key} ${shortJson(options[key])} is not supported.`);
    }
  }
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
