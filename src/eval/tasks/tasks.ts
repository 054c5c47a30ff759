import {stat} from 'node:fs/promises';
import {parse as parsePath} from 'node:path';
import {readRows, type TableRow} from '../../data/index.js';
import {FileError, FormatError, UsageError} from '../../errors.js';
import {checkOptions, didYouMean, meant} from '../../options/index.js';
import {isSynthetic, SYNTHETIC_NAMES} from '../../synthetic/index.js';
import type {TaskKind} from '../kinds/questions.js';
import {kindOf} from '../kinds/kinds.js';
import {TASK_NAMES, TASK_OPTIONS, type TaskName} from '../options.js';
import {syntheticCalibration, syntheticTask} from './synthetic-task.js';
import type {Task} from './task.js';
import {findTaskFiles, type TaskFileOptions} from './task-files.js';
import {FILE_TASKS, TASKS, type TaskDefinition} from './task-table.js';

/** A task is held in memory: what is larger is no list of questions. */
const MAX_TASK_BYTES = 1 << 30;

export interface TaskOptions extends TaskFileOptions {
  /** Rows to keep, from the first; default all. */
  limit?: number;
}

/**
 * Opens a task: one of the harness by its name, whose rows come from its dataset, a synthetic one by its spec, as
 * `syntheticTask`, or a file by its path. A file's first row decides its kind: `query`, `choices` and `gold`; `text`; or `page`. Other columns are ignored, and so
 * are blank lines. Every row must fit, whatever the limit.
 * @param spec - a name of `TASK_NAMES`, `synthetic:NAME?key=value&…`, or the path of a .jsonl or .parquet file
 * @throws UsageError for what is none of them, or a limit that cannot be; FileError, FormatError naming the place of a
 *   row that does not fit, or no rows at all; as `findTaskFiles` for a dataset
 */
export async function openTask(spec: string, options: TaskOptions = {}): Promise<Task> {
  const {limit} = options;
  checkOptions(TASK_OPTIONS, {limit});
  if (isSynthetic(spec)) return syntheticTask(spec, limit, options.split);
  const named = isNamed(spec) ? TASKS[spec] : null;
  const files = named ? await findTaskFiles(spec, named.dataset, options) : [await taskFile(spec)];
  const rows = await readAll(files);
  if (rows.length === 0) throw new FormatError(`${files.join(', ')} has no rows; a task has one a line.`);
  const definition: TaskDefinition = named ?? FILE_TASKS[markOf(rows[0]!)];
  if (!named) for (const row of rows) requireKind(row, definition.kind);
  const read = rows.map(({values, place}) => ({
    question: definition.question(values, place),
    doc: values,
    place,
  }));
  const dataset = named
    ? {path: named.dataset.repo, config: named.dataset.config, split: options.split ?? named.dataset.split}
    : {path: 'json', split: 'test'};
  const task = {
    kind: definition.kind,
    name: named ? spec : parsePath(spec).name,
    definition,
    dataset: {...dataset, files},
    rows: read.slice(0, limit),
    original: read.length,
    // The kind belongs to the definition that made the questions.
  } as Task;
  const refusal = kindOf(task).refusal(task.rows.map(({question}) => question));
  if (refusal !== null) throw new FormatError(`${spec}: ${refusal}.`);
  return task;
}

/** Whether a spec is the name of a task of the harness. */
const isNamed = (spec: string): spec is TaskName => (TASK_NAMES as readonly string[]).includes(spec);

/** The split that thresholds for a task are chosen on; undefined for a part of the rows that are measured. */
export function calibrationSplit(spec: string): string | undefined {
  if (isSynthetic(spec)) return syntheticCalibration(spec);
  return isNamed(spec) ? TASKS[spec].dataset.calibration : undefined;
}

async function taskFile(path: string): Promise<string> {
  const found = await stat(path).catch((error: unknown) => error as NodeJS.ErrnoException);
  if (found instanceof Error) {
    if (found.code !== 'ENOENT' && found.code !== 'ENOTDIR') {
      throw new FileError(`${path} cannot be read: ${found.code}.`, {cause: found});
    }
    const question = didYouMean(meant(path, TASK_NAMES));
    const synthetic = SYNTHETIC_NAMES.map((name) => `synthetic:${name}`);
    throw new UsageError(
      `there is no task ${path}${question ? `${question} It is no file` : ': no such file'}, and not one of ${[...TASK_NAMES, ...synthetic].join(', ')}. A file has rows with "query", "choices" and "gold", or "text", or "page".`,
      {cause: found},
    );
  }
  if (found.isDirectory()) throw new UsageError(`${path} is a folder; a task is a .jsonl or .parquet file.`);
  if (found.size > MAX_TASK_BYTES) {
    throw new FileError(
      `${path} has ${found.size} bytes; a task has at most ${MAX_TASK_BYTES}. Split it into several.`,
    );
  }
  return path;
}

async function readAll(files: readonly string[]): Promise<TableRow[]> {
  const rows: TableRow[] = [];
  for (const path of files) for await (const row of readRows({path})) rows.push(row);
  return rows;
}

function requireKind(row: TableRow, kind: TaskKind): void {
  const found = FILE_TASKS[markOf(row)].kind;
  if (found === kind) return;
  throw new FormatError(`${row.place}: a ${found} row in a ${kind} task; all rows must be like the first.`);
}

/** The column by which a row's kind is known. */
function markOf({values, place}: TableRow): keyof typeof FILE_TASKS {
  const marks = (Object.keys(FILE_TASKS) as (keyof typeof FILE_TASKS)[]).filter((column) =>
    Object.hasOwn(values, column),
  );
  if (marks.length === 1) return marks[0]!;
  throw new FormatError(
    `${place}: a row has one of "query" (with "choices" and "gold"), "text" and "page"; this one has ${marks.length === 0 ? 'none' : marks.join(' and ')}.`,
  );
}
