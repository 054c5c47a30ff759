import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {FIXTURES} from '../helpers/oracle.js';

/** A GPT-2 of 8 layers and 256 positions. */
export const MODEL = join(FIXTURES, 'gpt2-books');

/** The tasks of fixtures/eval, by name. */
export const TASKS = {
  choices: join(FIXTURES, 'eval', 'choices.jsonl'),
  last_words: join(FIXTURES, 'eval', 'last_words.jsonl'),
  pages: join(FIXTURES, 'eval', 'pages.jsonl'),
} as const;

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

/** What lm-evaluation-harness makes of the tasks; test/eval/make-fixtures.py writes it. */
export const expected = schema.parse(
  JSON.parse(readFileSync(join(FIXTURES, 'eval', 'expected.json'), 'utf8')),
);
