import {join} from 'node:path';
import {z} from 'zod';
import {exists, readJson} from '../files/index.js';
import {UnsupportedError} from '../errors.js';
import {Tokenizer, tokenizerJson} from '../tokenizer/index.js';

const JSON_NAME = 'tokenizer.json';
const CONFIG_NAME = 'tokenizer_config.json';

export interface TokenizerFiles {
  /** Whether the model has a tokenizer that other runtimes can read. */
  found: boolean;
  /** Contents of files that are not as in the model's folder, by name. */
  files: Map<string, string>;
}

/**
 * What transformers.js needs of a tokenizer: tokenizer.json, also where the model has vocab.json and merges.txt, and a
 * tokenizer_config.json that names the tokens which begin, end and fill up a text, also where the model leaves them to
 * the tokenizer's class or to other files. A tokenizer that ztt does not read stays as it is.
 * @throws FormatError for a broken one
 */
export async function tokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const [json, config, ...vocabulary] = [JSON_NAME, CONFIG_NAME, 'vocab.json', 'merges.txt'].map((name) =>
    join(folder, name),
  ) as [string, string, string, string];
  const hasJson = await exists(json);
  const hasVocabulary = (await Promise.all(vocabulary.map(exists))).every(Boolean);
  if (!hasJson && !hasVocabulary) return {found: false, files: new Map()};
  const tokenizer = await readable(folder);
  if (!tokenizer) return {found: hasJson, files: new Map()};
  const {spec} = tokenizer;
  const own = (await exists(config)) ? await readJson(config, z.looseObject({})) : {};
  const files = new Map([[CONFIG_NAME, text({...namedTokens(tokenizer), ...own})]]);
  if (!hasJson) files.set(JSON_NAME, text(tokenizerJson(spec)));
  return {found: true, files};
}

async function readable(folder: string): Promise<Tokenizer | null> {
  try {
    return await Tokenizer.load(folder);
  } catch (error) {
    if (error instanceof UnsupportedError) return null;
    throw error;
  }
}

/** The named tokens that there are, as tokenizer_config.json has them. */
function namedTokens({spec}: Tokenizer): Record<string, string> {
  const contents = new Map([...spec.addedTokens.values()].map(({id, content}) => [id, content]));
  return Object.fromEntries(
    Object.entries(spec.named).flatMap(([name, id]) =>
      id === null ? [] : [[`${name}_token`, contents.get(id)!]],
    ),
  );
}

const text = (content: unknown): string => `${JSON.stringify(content, null, 2)}\n`;
