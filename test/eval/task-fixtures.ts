import {readFileSync} from 'node:fs';
import {join} from 'node:path';
import {z} from 'zod';
import {FIXTURES} from '../helpers/oracle.js';

/** Datasets as their repos lay them out, with rows of our own; test/eval/make-task-fixtures.py writes them. */
export const TASK_DATA = join(FIXTURES, 'eval', 'tasks');

const value = z.union([z.number(), z.string()]);
const row = z.object({
  /** Contexts and continuations, or a page alone, in text. */
  arguments: z.array(z.array(z.string())).optional(),
  target: z.string().optional(),
  ll: z.array(z.number()),
  greedy: z.array(z.boolean()),
  metrics: z.record(z.string(), z.union([z.number(), z.array(z.number())])),
});
const schema = z.object({
  bootstrap_iters: z.number(),
  results: z.record(z.string(), z.record(z.string(), value)),
  versions: z.record(z.string(), z.number()),
  rows: z.record(z.string(), z.array(row)),
});

/** What lm-evaluation-harness makes of the tasks by its own definitions. */
export const expectedTasks = (file: 'expected.json' | 'expected-opt.json') =>
  schema.parse(JSON.parse(readFileSync(join(TASK_DATA, file), 'utf8')));
