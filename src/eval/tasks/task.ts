import type {Questions, TaskKind} from '../kinds/questions.js';
import type {TaskDefinition} from './task-table.js';

/** A question, and the row it was made of. */
export interface TaskRow<Question> {
  question: Question;
  doc: Record<string, unknown>;
  /** Where the row stands: `FILE, line 3`. */
  place: string;
}

interface TaskOf<Kind extends TaskKind> {
  kind: Kind;
  /** The harness's name, a file's without its extension, or a synthetic task's spec: the task's key in results. */
  name: string;
  definition: TaskDefinition<Kind>;
  /** What was read, for the results' `configs`. */
  dataset: {path: string; config?: string; split: string; files: readonly string[]};
  /** The rows to evaluate, in the files' order. */
  rows: TaskRow<Questions[Kind]>[];
  /** Rows in the files, with those beyond the limit. */
  original: number;
}

export type ChoiceTask = TaskOf<'multiple-choice'>;
export type LastWordTask = TaskOf<'last-word'>;
export type RollingTask = TaskOf<'rolling'>;
/** An evaluation task; its rows are all of one kind. */
export type Task = ChoiceTask | LastWordTask | RollingTask;
