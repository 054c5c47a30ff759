import {someText, wholeNumber} from './flags.js';

/** Which tasks, for commands that score a model on some. */
export const taskFlags = {
  tasks: someText({
    description: 'The tasks, by name or as paths of .jsonl and .parquet files.',
    helpValue: 'T,T',
    required: true,
    multiple: true,
    multipleNonGreedy: true,
    delimiter: ',',
  }),
  'task-data': someText({
    description:
      "A folder with the named tasks' datasets, in place of the Hub: each as its repo has it, in USER/NAME, NAME or TASK, or as TASK.jsonl.",
    helpValue: 'DIR',
  }),
  limit: wholeNumber({description: 'Rows of each task to use, from the first.', min: 1, max: 1e9}),
};
