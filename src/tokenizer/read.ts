import {basename, join} from 'node:path';
import {z} from 'zod';
import {exists, readJson, readText} from '../files/index.js';
import {FileError, UnsupportedError} from '../errors.js';
import {MAX_BYTES, readFiles, type Files} from './files.js';
import {WORDS} from './pipeline.js';
import {withTokens, type TokenizerSpec} from './spec.js';
import {fromJson} from './tokenizer-json.js';
import {parseMergesText, parseVocabulary, shortJson} from './vocabulary.js';

/** Tokenizers that are none of ours, by a file that they have. */
const OTHER_TOKENIZERS = {
  'vocab.txt': 'a WordPiece tokenizer',
  'spiece.model': 'a SentencePiece tokenizer',
  'tokenizer.model': 'a SentencePiece tokenizer',
};

/** A tokenizer's files, read, and what a user should know of how. */
export interface ReadTokenizer {
  spec: TokenizerSpec;
  notes: readonly string[];
}

/**
 * Reads a folder's tokenizer: tokenizer.json, or vocab.json and merges.txt, with what tokenizer_config.json,
 * special_tokens_map.json and added_tokens.json add, as Transformers 5 reads them.
 * @throws FileError if there is none, FormatError naming the file and place for a broken one, UnsupportedError
 *   for one that is not byte-level BPE
 */
export async function readTokenizer(folder: string): Promise<ReadTokenizer> {
  const files = await readFiles(folder);
  const tokenizer = join(folder, 'tokenizer.json');
  if (await exists(tokenizer)) {
    return {spec: await fromJson(tokenizer, files), notes: files.classNote === null ? [] : [files.classNote]};
  }
  const [vocab, merges] = [join(folder, 'vocab.json'), join(folder, 'merges.txt')];
  if ((await exists(vocab)) && (await exists(merges))) {
    return {spec: await fromVocabulary(vocab, merges, files), notes: []};
  }
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
