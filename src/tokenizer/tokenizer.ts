import {join} from 'node:path';
import * as tokenizers from '@huggingface/tokenizers';
import {z} from 'zod';
import {exists, readJson} from '../checkpoint/index.js';
import {FileError, FormatError} from '../errors.js';

const schema = z.looseObject({});
const token = z.union([z.string(), z.looseObject({content: z.string()}).transform(({content}) => content)]);
const configSchema = z.looseObject({
  bos_token: token.nullish(),
  eos_token: token.nullish(),
  pad_token: token.nullish(),
});

/** What a model must know of its tokenizer. */
export interface Vocabulary {
  /** One more than the largest id. */
  size: number;
  /** Ids of the special tokens that it names. */
  bos: number | null;
  eos: number | null;
  pad: number | null;
}

/** What is used of the package; its own types cannot be resolved by Node's rules (imports without extensions). */
interface Encoder {
  encode(text: string, options: {add_special_tokens: boolean}): {ids: number[]};
  decode(
    ids: number[],
    options: {clean_up_tokenization_spaces: boolean; skip_special_tokens: boolean},
  ): string;
  token_to_id(token: string): number | undefined;
  get_vocab(withAdded: boolean): Map<string, number>;
}
const {Tokenizer: HubTokenizer} = tokenizers as unknown as {
  Tokenizer: new (json: object, config: object) => Encoder;
};

/** Text to token ids and back, as the checkpoint's tokenizer.json says. */
export class Tokenizer {
  private constructor(
    private readonly inner: Encoder,
    private readonly config: z.output<typeof configSchema>,
  ) {}

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
    const config = (await exists(configPath)) ? await readJson(configPath, configSchema) : {};
    try {
      return new Tokenizer(new HubTokenizer(json, config), config);
    } catch (error) {
      throw new FormatError(`${path} is no tokenizer that ztt can use: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }

  vocabulary(): Vocabulary {
    const id = (name: string | null | undefined) => (name ? (this.inner.token_to_id(name) ?? null) : null);
    const {bos_token: bos, eos_token: eos, pad_token: pad} = this.config;
    let last = -1;
    for (const value of this.inner.get_vocab(true).values()) last = Math.max(last, value);
    return {size: last + 1, bos: id(bos), eos: id(eos), pad: id(pad)};
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
