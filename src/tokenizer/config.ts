import {z} from 'zod';

// The files beside a vocabulary: tokenizer_config.json, special_tokens_map.json, added_tokens.json.

/** The named special tokens, in the order in which Transformers adds those that the vocabulary lacks. */
export const NAMED_TOKENS = [
  'bos_token',
  'eos_token',
  'unk_token',
  'sep_token',
  'pad_token',
  'cls_token',
  'mask_token',
] as const;
export type NamedToken = (typeof NAMED_TOKENS)[number];

const MAX_TOKEN_LENGTH = 1024;
const content = z.string().min(1, 'a token cannot be empty').max(MAX_TOKEN_LENGTH);
const flag = z.boolean().nullish();

/** An added token as files write it. */
const addedTokenSchema = z.looseObject({
  content,
  single_word: flag,
  lstrip: flag,
  rstrip: flag,
  normalized: flag,
  special: flag,
});
export type RawAddedToken = z.output<typeof addedTokenSchema>;

/** A token as text, or with how it is matched. */
const tokenSchema = z.union([
  content.transform((text): RawAddedToken => ({content: text})),
  addedTokenSchema,
]);

const namedTokens = Object.fromEntries(NAMED_TOKENS.map((name) => [name, tokenSchema.nullish()])) as Record<
  NamedToken,
  z.ZodOptional<z.ZodNullable<typeof tokenSchema>>
>;
const extraTokens = z.union([z.array(tokenSchema), z.record(z.string(), tokenSchema)]).nullish();

/** special_tokens_map.json, and what tokenizer_config.json shares with it. */
export const specialTokensSchema = z.looseObject({
  ...namedTokens,
  additional_special_tokens: extraTokens,
  extra_special_tokens: extraTokens,
});
export type SpecialTokens = z.output<typeof specialTokensSchema>;

/** tokenizer_config.json. */
export const configSchema = specialTokensSchema.extend({
  tokenizer_class: z.string().nullish(),
  add_prefix_space: flag,
  add_bos_token: flag,
  add_eos_token: flag,
  split_special_tokens: flag,
  added_tokens_decoder: z
    .record(z.string().regex(/^\d{1,9}$/, 'expected a token id'), addedTokenSchema)
    .nullish(),
});
export type TokenizerConfig = z.output<typeof configSchema>;

/** added_tokens.json: ids by token. Its ids are checked where they are used. */
export const addedTokensSchema = z.record(content, z.unknown());

/** `added_tokens` of tokenizer.json. */
export const serialisedTokensSchema = z.array(addedTokenSchema.extend({id: z.unknown()}));
