import {mkdirSync, readFileSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {FIXTURES} from '../helpers/oracle.js';

// fixtures/tokenizer/expected.json, as make-fixtures.py writes it.

const ids = z.array(z.number());
const json = z.record(z.string(), z.unknown());

const caseSchema = z.object({
  name: z.string(),
  /** The fixture whose tokens and merges it has. */
  vocabulary: z.enum(['gpt2-books', 'opt-tiny']),
  /** tokenizer.json without them; null for vocab.json and merges.txt. */
  tokenizer_json: z.looseObject({model: json}).nullable(),
  /** The small files, by name. */
  files: z.record(z.string(), json),
  /** The class that AutoTokenizer took. */
  class: z.string(),
  /** One more than the largest id. */
  size: z.number(),
  bos: z.number().nullable(),
  eos: z.number().nullable(),
  pad: z.number().nullable(),
  /** What stands around each text. */
  before: ids,
  after: ids,
  /** The number of the list that has the ids of each text, without. */
  bare: z.number(),
  /** The sha256 of the ids, as little-endian int32, of all texts 60 times over. */
  long: z.string(),
  decoded: z.array(z.string()),
  decoded_without_special: z.array(z.string()),
});

const schema = z
  .object({
    texts: z.array(z.string()),
    to_decode: z.record(z.string(), z.array(ids)),
    cases: z.array(caseSchema),
    ids: z.array(z.array(ids)),
    /** What opt-tiny goes on with after a prompt. */
    generated: z.array(z.object({prompt: z.string(), ids, text: z.string()})),
  })
  .transform(({ids, cases, ...rest}) => ({
    ...rest,
    cases: cases.map((one) => ({...one, bare: ids[one.bare]!})),
  }));

export const expected = schema.parse(
  JSON.parse(readFileSync(join(FIXTURES, 'tokenizer', 'expected.json'), 'utf8')),
);

export type TokenizerCase = (typeof expected.cases)[number];

/** The case of this name. */
export function caseOf(name: string): TokenizerCase {
  const found = expected.cases.find((one) => one.name === name);
  if (!found)
    throw new Error(`no case ${name}; there are ${expected.cases.map((one) => one.name).join('; ')}`);
  return found;
}

/** The tokens of a fixture by id, and its merges. */
export function vocabularyOf(fixture: TokenizerCase['vocabulary']): {
  vocab: Record<string, number>;
  merges: [string, string][];
} {
  const path = (name: string) => join(FIXTURES, fixture, name);
  if (fixture === 'gpt2-books') {
    const {model} = JSON.parse(readFileSync(path('tokenizer.json'), 'utf8')) as {
      model: {vocab: Record<string, number>; merges: [string, string][]};
    };
    return model;
  }
  const lines = readFileSync(path('merges.txt'), 'utf8').split('\n').slice(1, -1);
  return {
    vocab: JSON.parse(readFileSync(path('vocab.json'), 'utf8')) as Record<string, number>,
    merges: lines.map((line) => line.split(' ') as [string, string]),
  };
}

/** Makes the folder of a case. */
export function writeCase({vocabulary, tokenizer_json: parts, files}: TokenizerCase, folder: string): void {
  mkdirSync(folder, {recursive: true});
  const write = (name: string, content: unknown) =>
    writeFileSync(join(folder, name), `${JSON.stringify(content)}\n`);
  const {vocab, merges} = vocabularyOf(vocabulary);
  if (parts) write('tokenizer.json', {...parts, model: {...parts.model, vocab, merges}});
  else {
    write('vocab.json', vocab);
    const lines = merges.map((merge) => `${merge.join(' ')}\n`);
    writeFileSync(join(folder, 'merges.txt'), `#version: 0.2\n${lines.join('')}`);
  }
  for (const [name, content] of Object.entries(files)) write(name, content);
}
