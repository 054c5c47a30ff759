import {readFile, stat} from 'node:fs/promises';
import {parse as parsePath} from 'node:path';
import {z} from 'zod';
import {parseWith} from '../checkpoint/index.js';
import {FileError, FormatError, UsageError} from '../errors.js';

/** A task file is read whole: what is larger is no list of questions. */
const MAX_TASK_BYTES = 1 << 30;

/** Text that UTF-8 can hold: JSON can escape halves of characters, which no tokenizer can read. */
const text = z.string().refine((value) => !/\p{Surrogate}/u.test(value), 'half a surrogate pair');

const choiceSchema = z
  .object({
    query: text,
    choices: z.array(text).min(1, 'a question needs at least one choice'),
    /** The right choice's index, from 0. */
    gold: z.number().int('gold is the index of the right choice').min(0, 'gold counts from 0'),
  })
  .superRefine(({choices, gold}, context) => {
    if (gold < choices.length) return;
    context.addIssue({
      code: 'custom',
      path: ['gold'],
      message: `there is no choice ${gold}; gold must be from 0 to ${choices.length - 1}`,
    });
  });
const lastWordSchema = z.object({text});
const rollingSchema = z.object({page: text});

/** A question whose right answer should be likelier than the others. */
export type ChoiceRow = z.output<typeof choiceSchema>;
/** A passage whose last word, the piece after its last space, is to be predicted. */
export type LastWordRow = z.output<typeof lastWordSchema>;
/** A document, all of whose tokens are predicted. */
export type RollingRow = z.output<typeof rollingSchema>;

/** A row with the line of the file it came from, counted from 1. */
export type Numbered<Row> = Row & {line: number};

interface TaskOf<Kind, Row> {
  kind: Kind;
  /** The file's name without its extension: the task's key in results. */
  name: string;
  path: string;
  /** The rows to evaluate, in the file's order. */
  rows: Numbered<Row>[];
  /** Rows in the file, with those beyond the limit. */
  original: number;
}

export type ChoiceTask = TaskOf<'multiple-choice', ChoiceRow>;
export type LastWordTask = TaskOf<'last-word', LastWordRow>;
export type RollingTask = TaskOf<'rolling', RollingRow>;
/** An evaluation task; its rows are all of one kind. */
export type Task = ChoiceTask | LastWordTask | RollingTask;

/** The field by which each kind of row is known. */
const MARKS = {query: 'multiple-choice', text: 'last-word', page: 'rolling'} as const;

/**
 * Reads a JSONL task. Its first row decides the kind: `query`, `choices` and `gold`; `text`; or `page`. Other
 * fields are ignored, and so are blank lines. Every row of the file must fit, whatever the limit.
 * @param limit - how many rows to keep, from the first; default all
 * @throws UsageError where `path` is no file or the limit cannot be; FileError if it cannot be read;
 *   FormatError naming file and line for a row that does not fit, or no rows at all
 */
export async function openTask(path: string, limit?: number): Promise<Task> {
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1)) {
    throw new UsageError(`limit is ${limit}; it must be a whole number of rows from 1.`);
  }
  const lines = jsonLines(await readTask(path), path);
  const first = lines[0];
  if (!first) {
    throw new FormatError(`${path} has no rows; a task has one JSON object a line.`);
  }
  const kind = kindOf(first.value, `${path}, line ${first.line}`);
  const name = parsePath(path).name;
  const rowsOf = <Schema extends z.ZodType<object>>(schema: Schema) => {
    const rows = lines.map(({value, line}) => {
      const where = `${path}, line ${line}`;
      if (kindOf(value, where) !== kind) {
        throw new FormatError(
          `${where}: a ${kindOf(value, where)} row in a ${kind} task; all rows must be like the first.`,
        );
      }
      return {...parseWith(schema, value, where), line};
    });
    return {name, path, rows: rows.slice(0, limit), original: rows.length};
  };
  if (kind === 'multiple-choice') return {kind, ...rowsOf(choiceSchema)};
  if (kind === 'last-word') return {kind, ...rowsOf(lastWordSchema)};
  const task = {kind, ...rowsOf(rollingSchema)};
  if (task.rows.every(({page}) => page === '')) {
    throw new FormatError(`${path}: every page is empty; there is nothing to predict.`);
  }
  return task;
}

async function readTask(path: string): Promise<Buffer> {
  try {
    const found = await stat(path);
    if (found.isDirectory()) {
      throw new UsageError(`${path} is a folder; a task is a JSONL file.`);
    }
    if (found.size > MAX_TASK_BYTES) {
      throw new FileError(
        `${path} has ${found.size} bytes; a task has at most ${MAX_TASK_BYTES}. Split it into several.`,
      );
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof UsageError || error instanceof FileError) throw error;
    const {code, message} = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ENOTDIR') {
      throw new UsageError(
        `there is no task ${path}: no such file. A task is the path of a JSONL file whose rows have "query", "choices" and "gold", or "text", or "page".`,
        {cause: error},
      );
    }
    throw new FileError(`${path} cannot be read: ${code ?? message}.`, {cause: error});
  }
}

/** The JSON values of a file's lines that are not blank. */
function jsonLines(bytes: Buffer, path: string): {value: unknown; line: number}[] {
  const decoder = new TextDecoder('utf-8', {fatal: true});
  const values: {value: unknown; line: number}[] = [];
  let line = 0;
  for (let start = 0; start < bytes.length;) {
    const newline = bytes.indexOf(0x0a, start);
    const end = newline < 0 ? bytes.length : newline;
    line++;
    let content: string;
    try {
      content = decoder.decode(bytes.subarray(start, end));
    } catch (error) {
      throw new FormatError(`${path}, line ${line}: not valid UTF-8; save the file as UTF-8.`, {
        cause: error,
      });
    }
    start = end + 1;
    if (content.trim() === '') continue;
    try {
      values.push({value: JSON.parse(content), line});
    } catch (error) {
      throw new FormatError(`${path}, line ${line}: no valid JSON: ${(error as Error).message}.`, {
        cause: error,
      });
    }
  }
  return values;
}

function kindOf(value: unknown, where: string): Task['kind'] {
  const row = parseWith(z.record(z.string(), z.unknown()), value, where);
  const marks = Object.keys(MARKS).filter((field) => Object.hasOwn(row, field)) as (keyof typeof MARKS)[];
  if (marks.length === 1) return MARKS[marks[0]!];
  throw new FormatError(
    `${where}: a row has one of "query" (with "choices" and "gold"), "text" and "page"; this one has ${marks.length === 0 ? 'none' : marks.join(' and ')}.`,
  );
}
