import {stat} from 'node:fs/promises';
import {basename, join} from 'node:path';
import {datasetInFolder, fetchDataset, type OpenDataset} from '../../data/index.js';
import {FileError, FormatError, HubError, UsageError} from '../../errors.js';
import type {TaskDataset} from './task-table.js';

export interface TaskFileOptions {
  /**
   * A folder that holds the tasks' datasets: each as its repo has it, in `user/name`, `name` or `TASK`, or as one
   * file, `TASK.jsonl` or `TASK.parquet`. Without it they come from the Hub.
   */
  dataFolder?: string;
  /** Opens dataset repos of the Hub; without it there are none. */
  openDataset?: OpenDataset;
  /** Another split than the one that is evaluated. */
  split?: string;
}

/** Where the Hub keeps a parquet copy of a dataset whose own files are of another kind. */
const PARQUET_BRANCH = 'refs/convert/parquet';

/**
 * The files of a task's dataset on this machine.
 * @throws FileError if the folder has none of it, FormatError if it lacks the split, UsageError where there is neither
 *   a folder nor the Hub; what `openDataset` throws
 */
export async function findTaskFiles(
  task: string,
  dataset: TaskDataset,
  {dataFolder, openDataset, split = dataset.split}: TaskFileOptions,
): Promise<string[]> {
  const words = [dataset.config ?? '', split];
  if (dataFolder !== undefined) {
    return filesInFolder(task, dataset, dataFolder, words, split);
  }
  if (!openDataset) {
    throw new UsageError(`task ${task} needs its dataset ${dataset.repo}; give a folder that has it.`);
  }
  try {
    return await fetchDataset(dataset.repo, words, openDataset);
  } catch (error) {
    const copy = () => fetchDataset(`${dataset.repo}@${PARQUET_BRANCH}`, words, openDataset);
    if (error instanceof FormatError) return copy();
    // Offline, the cache may have the copy alone. Where it has neither, the repo itself is what is missing.
    if (error instanceof HubError) return copy().catch(() => Promise.reject(error));
    throw error;
  }
}

async function filesInFolder(
  task: string,
  dataset: TaskDataset,
  folder: string,
  words: readonly string[],
  split: string,
): Promise<string[]> {
  const repos = [dataset.repo, basename(dataset.repo), task].map((name) => join(folder, name));
  for (const path of repos) if ((await statOf(path))?.isDirectory()) return datasetInFolder(path, words);
  const names = split === dataset.split ? [task] : [`${task}.${split}`];
  const files = names
    .flatMap((name) => [`${name}.jsonl`, `${name}.parquet`])
    .map((name) => join(folder, name));
  for (const path of files) if ((await statOf(path))?.isFile()) return [path];
  throw new FileError(
    `${folder} has no data of task ${task}: none of ${[...repos, ...files].map((path) => path.slice(folder.length + 1)).join(', ')}.`,
  );
}

const statOf = (path: string) => stat(path).catch(() => null);
