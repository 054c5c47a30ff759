import {mkdirSync, rmSync, symlinkSync, truncateSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {describe, expect, it} from 'vitest';
import {ZttError} from '../../src/errors.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {caseOf, vocabularyOf} from './cases.js';

/** Of the processor: other work on the machine counts for nothing. */
const MAX_SECONDS = 2;

const temp = sharedTempFolder();

type Json = Record<string, unknown>;
const {vocab, merges} = vocabularyOf('opt-tiny');
const lines = merges.map((merge) => merge.join(' '));

/** A tokenizer.json that can be read, its parts replaced. */
function tokenizerJson(parts: Json = {}, model: Json = {}): Json {
  const {tokenizer_json: good} = caseOf('galactica');
  return {...good, ...parts, model: {...good!.model, vocab, merges, ...model}};
}

const text = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));
const only = (value: unknown) => ({'tokenizer.json': text(value)});
const part = (key: string, value: unknown) => only(tokenizerJson({[key]: value}));
const model = (key: string, value: unknown, vocabulary: Json = vocab) =>
  only(tokenizerJson({}, {vocab: vocabulary, [key]: value}));
const legacy = (files: Json = {}) => ({
  'vocab.json': JSON.stringify(vocab),
  'merges.txt': `#version: 0.2\n${lines.join('\n')}\n`,
  ...Object.fromEntries(Object.entries(files).map(([name, value]) => [name, text(value)])),
});
const splits = (...pretokenizers: Json[]) =>
  part('pre_tokenizer', {
    type: 'Sequence',
    pretokenizers: [...pretokenizers, {type: 'ByteLevel', add_prefix_space: false}],
  });
const regex = (Regex: string) => splits({type: 'Split', pattern: {Regex}, behavior: 'Isolated'});
const added = (...tokens: Json[]) => part('added_tokens', tokens);
const nested = (depth: number): Json => {
  let step: Json = {type: 'ByteLevel', add_prefix_space: false};
  for (let i = 0; i < depth; i++) step = {type: 'Sequence', pretokenizers: [step]};
  return step;
};

/** Files that must be refused, and what the message must say. */
const REFUSED: [what: string, files: Record<string, string>, message: RegExp][] = [
  ['nothing', {}, /has no tokenizer: neither tokenizer\.json nor vocab\.json with merges\.txt/],
  ['a vocabulary without merges', {'vocab.json': JSON.stringify(vocab)}, /has no tokenizer/],
  [
    'a WordPiece vocabulary',
    {'vocab.txt': 'a\nb\n'},
    /vocab\.txt is a WordPiece tokenizer, which ztt does not/,
  ],
  ['a SentencePiece model', {'spiece.model': '\x0a\x0e'}, /spiece\.model is a SentencePiece tokenizer/],
  ['an empty file', only(''), /tokenizer\.json is no valid JSON/],
  ['half a file', only(text(tokenizerJson()).slice(0, 9000)), /tokenizer\.json is no valid JSON/],
  ['a list', only([]), /tokenizer\.json: .*expected object/],
  ['deep brackets', only('['.repeat(1_000_000)), /tokenizer\.json is no valid JSON/],
  ['deep objects', only('{"model":'.repeat(200_000)), /tokenizer\.json is no valid JSON/],
  ['deep sequences', part('pre_tokenizer', nested(2000)), /pre-tokenizer "Sequence" is not supported/],
  ['no model', only({...tokenizerJson(), model: undefined}), /at model/],
  ['another model', model('type', 'Unigram'), /"Unigram" is no byte-pair encoding/],
  ['a model that names an object method', model('type', 'toString'), /"toString" is no byte-pair encoding/],
  ['a vocabulary that is a list', model('vocab', ['a', 'b']), /at model\.vocab: expected an object/],
  ['an empty vocabulary', model('vocab', {}), /the vocabulary is empty/],
  ...[-1, 1.5, 1e300, '7', null, [0], 2 ** 19].map((id): [string, Record<string, string>, RegExp] => [
    `the id ${JSON.stringify(id)}`,
    model('vocab', {...vocab, zebra: id}),
    /at model\.vocab: token "zebra" has the id .*; ids are whole numbers from 0, below 524288/,
  ]),
  ['an id of two tokens', model('vocab', {...vocab, zebra: 7}), /tokens ".*" and "zebra" both have the id 7/],
  ['merges that are text', model('merges', 'a b'), /at model\.merges: expected a list/],
  ['a merge of three', model('merges', ['a b c']), /model\.merges\.0: "a b c" is no merge of two tokens/],
  ['a merge of one', model('merges', [['a']]), /model\.merges\.0: \["a"\] is no merge/],
  ['a merge of numbers', model('merges', [...merges, [1, 2]]), /model\.merges\.\d+: \[1,2\] is no merge/],
  ['a merge of nothing', model('merges', ['a ']), /"a " is no merge/],
  ['a merge of unknown tokens', model('merges', [['zeb', 'ra']]), /needs the token "zeb", which/],
  ['a merge into an unknown token', model('merges', [['#', '%']]), /needs the token "#%", which/],
  ['dropout', model('dropout', 0.1), /dropout 0\.1 is not supported/],
  ['a word suffix', model('end_of_word_suffix', '</w>'), /end_of_word_suffix "<\/w>" is not supported/],
  [
    'byte fallback, and a byte that the vocabulary lacks',
    model('byte_fallback', true, {...vocab, '!': undefined}),
    /byte_fallback true is not supported/,
  ],
  ['an unknown token that is unknown', model('unk_token', 'zebra'), /the vocabulary lacks unk_token "zebra"/],
  ['no pre-tokenizer', part('pre_tokenizer', null), /pre-tokenizer "null" is not supported/],
  ['another pre-tokenizer', part('pre_tokenizer', {type: 'Metaspace'}), /"Metaspace" is not supported/],
  ['a pre-tokenizer that is text', part('pre_tokenizer', 'ByteLevel'), /at pre_tokenizer/],
  [
    'no words',
    part('pre_tokenizer', {type: 'ByteLevel', add_prefix_space: false, use_regex: false}),
    /does not cut text into GPT-2's words/,
  ],
  [
    'spaces before pieces',
    part('pre_tokenizer', {
      type: 'Sequence',
      pretokenizers: [{type: 'Digits'}, {type: 'ByteLevel', add_prefix_space: true}],
    }),
    /add_prefix_space after other splits/,
  ],
  ...[
    '(a+)+$',
    '(a|a)*b',
    '(\\w+\\s?)*$',
    '(?:a?){40}a{40}',
    '(.*)*\\1x',
    '(',
    '[',
    '\\',
    '(?<n>a)\\k<n>',
  ].map((pattern): [string, Record<string, string>, RegExp] => [
    `the pattern ${pattern}`,
    regex(pattern),
    /the Split of .* is none that ztt knows, and patterns out of a file are not run/,
  ]),
  [
    'a behaviour that is none of ours',
    splits({type: 'Split', pattern: {String: 'x'}, behavior: 'MergedWithNext'}),
    /MergedWithNext, is none/,
  ],
  [
    'a split of nothing',
    splits({type: 'Split', pattern: {String: ''}, behavior: 'Isolated'}),
    /pre_tokenizer/,
  ],
  [
    'a pattern in the normaliser',
    part('normalizer', {type: 'Replace', pattern: {Regex: '(a+)+$'}, content: ''}),
    /normalizer "Replace" is not supported/,
  ],
  [
    'a pattern in the decoder',
    part('decoder', {type: 'Sequence', decoders: [{type: 'Replace', pattern: {Regex: '(a+)+$'}}]}),
    /decoder "Replace" is not supported/,
  ],
  [
    'a thousand normalisers',
    part('normalizer', {type: 'Sequence', normalizers: Array(1000).fill({type: 'NFD'})}),
    /at normalizer\.normalizers/,
  ],
  ['another post-processor', part('post_processor', {type: 'X'}), /post-processor "X" is not supported/],
  [
    'a template with no text',
    part('post_processor', {type: 'TemplateProcessing', single: [], special_tokens: {}}),
    /there must be one text, A/,
  ],
  [
    'a template with two texts',
    part('post_processor', {
      type: 'TemplateProcessing',
      single: Array(2).fill({Sequence: {id: 'A', type_id: 0}}),
      special_tokens: {},
    }),
    /there must be one text, A/,
  ],
  [
    'a template with a token that it does not define',
    part('post_processor', {
      type: 'TemplateProcessing',
      single: [{SpecialToken: {id: 'toString'}}, {Sequence: {id: 'A'}}],
      special_tokens: {},
    }),
    /"toString" is not in its special_tokens/,
  ],
  [
    'a template with an id that is no token',
    part('post_processor', {
      type: 'TemplateProcessing',
      single: [{SpecialToken: {id: 'x'}}, {Sequence: {id: 'A'}}],
      special_tokens: {x: {ids: [9999]}},
    }),
    /puts id 9999 around texts, which is no token/,
  ],
  [
    'as RoBERTa, with an id that is text',
    part('post_processor', {type: 'RobertaProcessing', cls: ['a', '0'], sep: ['b', 2]}),
    /has the id "0"; ids are whole numbers/,
  ],
  ['an added token without content', added({id: 0}), /at added_tokens\.0\.content/],
  ['an empty added token', added({id: 0, content: ''}), /a token cannot be empty/],
  ['a long added token', added({id: 600, content: 'x'.repeat(1 << 20)}), /at added_tokens\.0\.content/],
  [
    'an added token with another id',
    added({id: 7, content: 'zebra'}),
    /"zebra" has the id 7, but .* give 600/,
  ],
  ['an added token with a broken id', added({id: 'x', content: 'zebra'}), /"zebra" has the id "x"; ids are/],
  [
    'an added token that is a word',
    added({id: 600, content: 'zebra', single_word: true}),
    /"zebra" is single_word, which is not supported/,
  ],
  [
    'too many added tokens',
    added(
      ...Array.from({length: (1 << 16) + 1}, (_, i) => ({
        id: 600 + i,
        content: String.fromCodePoint(0x10000 + i),
      })),
    ),
    /more than 65536 added tokens/,
  ],
  [
    'added tokens that are too long together',
    added(...Array.from({length: 300}, (_, i) => ({id: 600 + i, content: `<${i}>`.padEnd(1000, '.')}))),
    /added tokens of more than 262144 characters in all/,
  ],
  [
    'a merges.txt of words',
    legacy({'merges.txt': 'one\ntwo three four\n'}),
    /merges\.txt, line 1: "one" is no merge/,
  ],
  [
    'a broken line in merges.txt',
    legacy({'merges.txt': `#version: 0.2\n${lines.slice(0, 10).join('\n')}\n<html>\n`}),
    /merges\.txt, line 12: "<html>" is no merge of two tokens/,
  ],
  [
    'an unknown token in merges.txt',
    legacy({'merges.txt': '#version\nzeb ra\n'}),
    /merges\.txt, line 2: the merge "zeb ra" needs the token "zeb"/,
  ],
  [
    'a vocab.json that is a number',
    legacy({'vocab.json': '7'}),
    /vocab\.json: expected an object of token ids/,
  ],
  [
    'another class without a tokenizer.json',
    legacy({'tokenizer_config.json': {tokenizer_class: 'BertTokenizer'}}),
    /tokenizer_class "BertTokenizer" is not supported without a tokenizer\.json/,
  ],
  [
    'split special tokens',
    legacy({'tokenizer_config.json': {split_special_tokens: true}}),
    /split_special_tokens is not supported/,
  ],
  [
    'a config that is text',
    legacy({'tokenizer_config.json': '"x"'}),
    /tokenizer_config\.json: .*expected object/,
  ],
  [
    'a flag that is text',
    legacy({'tokenizer_config.json': {add_bos_token: 'yes'}}),
    /tokenizer_config\.json at add_bos_token/,
  ],
  [
    'a special token that is a number',
    legacy({'special_tokens_map.json': {bos_token: 7}}),
    /special_tokens_map\.json at bos_token/,
  ],
  [
    'an id that is a word',
    legacy({'tokenizer_config.json': {added_tokens_decoder: {zebra: {content: 'x'}}}}),
    /tokenizer_config\.json at added_tokens_decoder\.zebra/,
  ],
  [
    'added tokens with ids of their own',
    legacy({'added_tokens.json': {zebra: 5}}),
    /added_tokens\.json: token "zebra" has the id 5, but/,
  ],
];

/** Odd, and right all the same: a text must come back as it went in. */
const TAKEN: [what: string, files: Record<string, string>][] = [
  ['a token called __proto__', legacy({'vocab.json': text(vocab).replace('{', '{"__proto__":600,')})],
  ['a token called constructor', legacy({'added_tokens.json': {constructor: 600}})],
  ['no merges', model('merges', [])],
  ['byte fallback, and every byte in the vocabulary', model('byte_fallback', true)],
  ['merges with carriage returns', legacy({'merges.txt': `#version: 0.2\r\n${lines.join('\r\n')}\r\n\r\n`})],
  [
    'merges as pairs and as text',
    model(
      'merges',
      merges.map((merge, i) => (i % 2 ? merge : merge.join(' '))),
    ),
  ],
  ['a merge twice', model('merges', [...merges, merges[3]])],
  [
    'many added tokens that hold spaces',
    added(...Array.from({length: 900}, (_, i) => ({id: 600 + i, content: `q ${i} q`, special: true}))),
  ],
  ['a vocabulary with a hole', legacy({'vocab.json': {...vocab, zebra: 500_000}})],
];

function write(files: Record<string, string>): string {
  const folder = temp.path('hostile');
  rmSync(folder, {recursive: true, force: true});
  mkdirSync(folder);
  for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
  return folder;
}

const TEXT = `It's 12 o'clock: naïve 👩‍👩‍👧, <|endoftext|> and\r\n\n  </s> ${'aaab '.repeat(500)}${'b'.repeat(5000)}!`;

/** What becomes of a folder: a text's ids and its way back, or what was said. */
async function attempt(folder: string): Promise<{text: string; ids: number[]} | ZttError> {
  const began = process.cpuUsage();
  try {
    const tokenizer = await Tokenizer.load(folder);
    const ids = tokenizer.encode(TEXT, false);
    return {text: tokenizer.decode(ids), ids};
  } catch (error) {
    if (!(error instanceof ZttError)) throw error;
    return error;
  } finally {
    const {user, system} = process.cpuUsage(began);
    expect((user + system) / 1e6).toBeLessThan(MAX_SECONDS);
  }
}

/** What is said of a folder that must be refused. */
async function refusal(folder: string): Promise<string> {
  const result = await attempt(folder);
  if (!(result instanceof ZttError)) throw new Error('it was taken');
  expect(result.message.length).toBeLessThan(600);
  return result.message;
}

describe('a broken or hostile tokenizer is refused', () => {
  it.each(REFUSED)('%s', async (_, files, message) => {
    expect(await refusal(write(files))).toMatch(message);
  });

  it('a file too large for a tokenizer', async () => {
    const folder = write({'tokenizer.json': ''});
    truncateSync(join(folder, 'tokenizer.json'), 1 << 30);
    expect(await refusal(folder)).toMatch(/has 1073741824 bytes; at most/);
  });

  it('a device in place of a file', async () => {
    const folder = write({});
    symlinkSync('/dev/zero', join(folder, 'tokenizer.json'));
    expect(await refusal(folder)).toMatch(/tokenizer\.json is no file/);
  });
});

describe('an odd tokenizer is taken', () => {
  it.each(TAKEN)('%s', async (_, files) => {
    expect(await attempt(write(files))).toMatchObject({text: TEXT});
  });
});

describe('a mutated tokenizer ends in an error or in ids that are tokens', () => {
  const random = xoroshiro128plus(4);
  const below = (n: number) => uniformInt(random, 0, n - 1);
  const GOOD: Record<string, string>[] = [
    only(tokenizerJson()),
    legacy(Object.fromEntries(Object.entries(caseOf('opt, as facebook/opt-125m').files))),
  ];

  /** A file with bytes changed, cut out, doubled, or put elsewhere. */
  function blind(content: string): string {
    const bytes = Buffer.from(content);
    const [at, length] = [below(bytes.length), 1 + below(20)];
    const stretch = bytes.subarray(at, at + length);
    switch (below(4)) {
      case 0:
        for (let i = 0; i < stretch.length; i++) stretch[i] = below(256);
        return bytes.toString();
      case 1:
        return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]).toString();
      case 2:
        return Buffer.concat([bytes.subarray(0, at), stretch, bytes.subarray(at)]).toString();
      default: {
        const to = below(bytes.length);
        return Buffer.concat([bytes.subarray(0, to), stretch, bytes.subarray(to)]).toString();
      }
    }
  }

  const ODD = [null, -1, 0, 1e9, 0.5, '', 'x', 'Ġ', '\u0000', [], {}, [[]], true, 'a'.repeat(3000), '</s>'];

  /** Replaces, drops or doubles one value somewhere in a JSON value. */
  function structured(value: unknown, depth = 0): unknown {
    const odd = () => ODD[below(ODD.length)];
    if (typeof value !== 'object' || value === null || (depth > 0 && below(4) === 0)) return odd();
    const keys = Object.keys(value);
    if (keys.length === 0) return odd();
    const copy = (Array.isArray(value) ? [...(value as unknown[])] : {...value}) as Json;
    const key = keys[below(keys.length)]!;
    switch (below(5)) {
      case 0:
        delete copy[key];
        break;
      case 1:
        copy[keys[below(keys.length)]!] = copy[key];
        break;
      default:
        copy[key] = structured(copy[key], depth + 1);
    }
    return copy;
  }

  it.each(['blind', 'structured'])('%s, 80 times', async (kind) => {
    let refused = 0;
    for (let i = 0; i < 80; i++) {
      const files = {...GOOD[i % GOOD.length]!};
      const names = Object.keys(files);
      const name = names[below(names.length)]!;
      const json = name.endsWith('.json') && kind === 'structured';
      files[name] = json ? text(structured(JSON.parse(files[name]!))) : blind(files[name]!);
      const result = await attempt(write(files));
      if (result instanceof ZttError) refused++;
      else for (const id of result.ids) expect(Number.isInteger(id) && id >= 0).toBe(true);
    }
    // Neither is everything refused, nor everything taken.
    expect(refused).toBeGreaterThan(10);
    expect(refused).toBeLessThan(80);
  });
});
