import {scoreGroups, type Scorer, type ScoreOptions} from '../../score/index.js';
import {taskGroups, type PreparedTask} from './score-task.js';

/** How long a question takes. A window of a document is one. */
export interface Timing {
  /** Questions that were timed. */
  questions: number;
  /** Seconds a question, in batches. */
  batched_seconds: number;
  /** Seconds a question, one at a time. */
  single_seconds: number;
}

/**
 * Times a task's questions as they would be scored at one threshold and nothing else: in batches, and one at a time.
 * @param questions - how many to time, from all over the task
 */
export async function timeTask(
  model: Scorer,
  prepared: PreparedTask,
  questions: number,
  {batchTokens, signal, ...forward}: ScoreOptions,
): Promise<Timing> {
  const groups = taskGroups(prepared);
  const step = Math.max(1, groups.length / questions);
  const timed = Array.from(
    {length: Math.min(questions, groups.length)},
    (_, i) => groups[Math.floor(i * step)]!,
  );
  const batched = await scoreGroups(model, timed, {...forward, batchTokens, signal});
  const single = await scoreGroups(model, timed, {...forward, batchTokens: 1, signal});
  return {
    questions: timed.length,
    batched_seconds: batched.seconds / timed.length,
    single_seconds: single.seconds / timed.length,
  };
}
