import type {TokenizerSpec} from './spec.js';

/**
 * The tokenizer.json of a tokenizer that was read from vocab.json and merges.txt, as Transformers would save it: for
 * who reads nothing else.
 */
export function tokenizerJson(spec: TokenizerSpec): Record<string, unknown> {
  const {before, after, prefixSpace} = spec;
  const byteLevel = {type: 'ByteLevel', add_prefix_space: prefixSpace, trim_offsets: true, use_regex: true};
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: [...spec.addedTokens.values()]
      .sort((a, b) => a.id - b.id)
      .map((token) => ({...token, single_word: false})),
    normalizer: null,
    pre_tokenizer: byteLevel,
    post_processor: before.length + after.length > 0 ? template(spec) : byteLevel,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      dropout: null,
      unk_token: spec.unknownToken,
      continuing_subword_prefix: '',
      end_of_word_suffix: '',
      fuse_unk: false,
      vocab: Object.fromEntries(spec.vocabulary),
      merges: spec.merges.map((pair) => pair.join(' ')),
    },
  };
}

/** Puts the tokens around a text that the tokenizer adds by itself. */
function template({before, after, addedTokens}: TokenizerSpec): object {
  const named = [...addedTokens.values()].filter(({id}) => before.includes(id) || after.includes(id));
  const nameOf = (id: number) => named.find((token) => token.id === id)!.content;
  const around = (ids: readonly number[], type_id: number) =>
    ids.map((id) => ({SpecialToken: {id: nameOf(id), type_id}}));
  const text = (id: string, type_id: number) => [
    ...around(before, type_id),
    {Sequence: {id, type_id}},
    ...around(after, type_id),
  ];
  return {
    type: 'TemplateProcessing',
    single: text('A', 0),
    pair: [...text('A', 0), ...text('B', 1)],
    special_tokens: Object.fromEntries(
      named.map(({content, id}) => [content, {id: content, ids: [id], tokens: [content]}]),
    ),
  };
}
