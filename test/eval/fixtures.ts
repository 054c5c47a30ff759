import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {convert} from '../../src/convert/index.js';
import {load, type Model} from '../../src/model/index.js';
import {Tokenizer} from '../../src/tokenizer/index.js';
import {FIXTURES} from '../helpers/oracle.js';

const tasksIn = (...folder: string[]) => ({
  choices: join(FIXTURES, ...folder, 'choices.jsonl'),
  last_words: join(FIXTURES, ...folder, 'last_words.jsonl'),
  pages: join(FIXTURES, ...folder, 'pages.jsonl'),
});

/** A GPT-2 of 8 layers and 256 positions. */
export const MODEL = join(FIXTURES, 'gpt2-books');

/** The same as ztt with 2 cycles and fresh zero keys, converted into a folder. */
export async function loadZtt(output: string): Promise<{model: Model; tokenizer: Tokenizer}> {
  await convert({source: MODEL, output, layout: 'ztt', cycles: 2, seed: 1});
  return {model: await load(output, {engine: 'auto'}), tokenizer: await Tokenizer.load(MODEL)};
}

/** The tasks of fixtures/eval, by name. */
export const TASKS = tasksIn('eval');

const numbers = z.array(z.number());
const hit = z.number();
const schema = z.object({
  bootstrap_iters: z.number(),
  results: z.record(z.string(), z.record(z.string(), z.union([z.number(), z.string()]))),
  rows: z.object({
    choices: z.array(z.object({ll: numbers, greedy: z.array(z.boolean()), acc: hit, acc_norm: hit})),
    last_words: z.array(z.object({ll: z.number(), greedy: z.boolean()})),
    pages: z.array(z.object({ll: z.number(), words: z.number(), bytes: z.number()})),
  }),
  python_random: z.array(z.object({seed: z.number(), random: numbers, choices: numbers})),
});

const expectedIn = (...folder: string[]) =>
  schema.parse(JSON.parse(readFileSync(join(FIXTURES, ...folder, 'expected.json'), 'utf8')));

/** What lm-evaluation-harness makes of the tasks; test/eval/make-fixtures.py writes it. */
export const expected = expectedIn('eval');

/** An OPT of 2 random layers whose tokenizer puts `</s>` in front of a text, with fewer tasks of the same kinds. */
export const OPT = {
  model: join(FIXTURES, 'opt-tiny'),
  tasks: tasksIn('eval', 'opt'),
  expected: expectedIn('eval', 'opt'),
};
