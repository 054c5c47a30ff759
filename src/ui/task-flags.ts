import {someText, wholeNumber} from './plain-flags.js';

const TASKS = {
  description:
    'The tasks, by name, as paths of .jsonl and .parquet files, or synthetic, as synthetic:p-hop?n=16&p=4.',
  helpValue: 'T,T',
  multiple: true,
  multipleNonGreedy: true,
  delimiter: ',',
} as const;

/** Which tasks, for commands that score a model on some. */
export const taskFlags = {
  tasks: someText({...TASKS, required: true, multiple: true}),
  'task-data': someText({
    description:
      "A folder with the named tasks' datasets, in place of the Hub: each as its repo has it, in USER/NAME, NAME or TASK, or as TASK.jsonl.",
    helpValue: 'DIR',
  }),
  limit: wholeNumber({description: 'Rows of each task to use, from the first.', min: 1, max: 1e9}),
};

/** As `taskFlags`, where there need be no task. */
export const optionalTaskFlags = {...taskFlags, tasks: someText({...TASKS, multiple: true})};
