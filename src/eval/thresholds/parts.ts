import {UsageError} from '../../errors.js';
import type {Task} from '../tasks/task.js';
import {calibrationSplit, openTask, type TaskOptions} from '../tasks/tasks.js';

/** Tasks to measure on, and to choose thresholds on beforehand: no question is in both. */
export interface TaskParts {
  test: Task[];
  calibration: Task[];
}

/** Opens tasks. @throws UsageError for none, and for two of one name; as `openTask` */
export async function openTasks(specs: readonly string[], options: TaskOptions): Promise<Task[]> {
  if (specs.length === 0) throw new UsageError('there are no tasks; give at least one.');
  const tasks: Task[] = [];
  for (const spec of specs) {
    const task = await openTask(spec, options);
    const twin = tasks.find(({name}) => name === task.name);
    if (twin) {
      throw new UsageError(
        `${twin.dataset.files.join(', ') || twin.name} and ${spec} would both be ${task.name} in the results; rename one, or evaluate them apart.`,
      );
    }
    tasks.push(task);
  }
  return tasks;
}

/**
 * Opens tasks with what thresholds are chosen on: the dataset's calibration split where it has one. Of any other task
 * every second row is for that, from the first, and the rest for the test.
 * @param calibrationLimit - rows of each task to calibrate on, from the first
 * @throws as `openTasks`, and UsageError for a task of one row
 */
export async function openParts(
  specs: readonly string[],
  {limit, ...options}: TaskOptions,
  calibrationLimit: number,
): Promise<TaskParts> {
  const whole = await openTasks(specs, options);
  const parts: TaskParts = {test: [], calibration: []};
  for (const [i, task] of whole.entries()) {
    const spec = specs[i]!;
    const split = calibrationSplit(spec);
    if (split === undefined && task.rows.length < 2) {
      throw new UsageError(`${task.name} has one row; calibration and test need one each.`);
    }
    const every = (odd: number) => ({...task, rows: task.rows.filter((_, row) => row % 2 === odd)}) as Task;
    const test = split === undefined ? every(1) : task;
    parts.test.push({...test, rows: test.rows.slice(0, limit)} as Task);
    const held = split === undefined ? every(0) : await openTask(spec, {...options, split});
    parts.calibration.push({...held, rows: held.rows.slice(0, calibrationLimit)} as Task);
  }
  return parts;
}
