import type {Architecture, RowScore} from '../../model/index.js';
import {addCosts, type AtExits} from '../../score/index.js';
import {rowOutcome, type PreparedTask, type RowOutcome, type TaskScores} from './score-task.js';

/** What comes of a question at every exit that could be. */
export type QuestionExits = AtExits<RowOutcome>;

/**
 * A task's questions at every exit, from the scores of its token rows there. All choices of a question leave together.
 * @param scores - for each token row one an exit
 */
export function questionExits(
  {task, requests}: PreparedTask,
  scores: readonly (readonly RowScore[])[],
  arch: Architecture,
): QuestionExits[] {
  let done = 0;
  return requests.map(({rows, decider}) => {
    const own = scores.slice(done, (done += rows.length));
    const outcomes = (own[0] ?? []).map((_, exit) =>
      rowOutcome(
        task,
        rows,
        own.map((row) => row[exit]!),
        arch,
      ),
    );
    const deciding = decider === null ? undefined : own[decider === 'own' ? 0 : decider];
    return {outcomes, scores: deciding?.at(-1)?.exitScores ?? []};
  });
}

/** A task's scores where every question leaves at an exit of its own. @param take - its outcome there */
export function scoresAt(
  questions: readonly QuestionExits[],
  take: (question: QuestionExits, index: number) => RowOutcome,
): Omit<TaskScores, 'seconds'> {
  const outcomes = questions.map(take);
  return {outcomes, cost: addCosts(outcomes.map(({cost}) => cost))};
}
