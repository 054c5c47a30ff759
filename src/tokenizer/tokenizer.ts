import {join} from 'node:path';
import * as tokenizers from '@huggingface/tokenizers';
import {z} from 'zod';
import {exists, readJson} from '../checkpoint/index.js';
import {FileError, FormatError} from '../errors.js';

const schema = z.looseObject({});

/** What is used of the package; its own types cannot be resolved by Node's rules (imports without extensions). */
interface Encoder {
  encode(text: string, options: {add_special_tokens: boolean}): {ids: number[]};
  decode(
    ids: number[],
    options: {clean_up_tokenization_spaces: boolean; skip_special_tokens: boolean},
  ): string;
}
const {Tokenizer: HubTokenizer} = tokenizers as unknown as {
  Tokenizer: new (json: object, config: object) => Encoder;
};

/** Text to token ids and back, as the checkpoint's tokenizer.json says. */
export class Tokenizer {
  private constructor(private readonly inner: Encoder) {}

  /**
   * Reads a folder's tokenizer.json, and tokenizer_config.json if it is there.
   * @throws FileError if there is no tokenizer.json, FormatError if it cannot be used.
   */
  static async load(folder: string): Promise<Tokenizer> {
    const path = join(folder, 'tokenizer.json');
    if (!(await exists(path))) {
      throw new FileError(
        `${folder} has no tokenizer.json; copy the one of the source model there, or save one with Transformers.`,
      );
    }
    const configPath = join(folder, 'tokenizer_config.json');
    const json = await readJson(path, schema);
    const config = (await exists(configPath)) ? await readJson(configPath, schema) : {};
    try {
      return new Tokenizer(new HubTokenizer(json, config));
    } catch (error) {
      throw new FormatError(`${path} is no tokenizer that ztt can use: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }

  /**
   * A text's token ids.
   * @param specialTokens - whether the tokenizer adds its own (OPT's `</s>` in front); default true
   */
  encode(text: string, specialTokens = true): number[] {
    return this.inner.encode(text, {add_special_tokens: specialTokens}).ids;
  }

  /** The text of token ids, exactly: no clean-up of spaces. */
  decode(ids: readonly number[]): string {
    if (ids.length === 0) return '';
    return this.inner.decode([...ids], {clean_up_tokenization_spaces: false, skip_special_tokens: false});
  }
}
