import type {Architecture, ExitRule, RowScore} from '../../model/index.js';
import {addCosts} from '../measures/cost.js';
import {rowOutcome, type PreparedTask, type RowOutcome, type TaskScores} from './score-task.js';

/** What comes of a question at every exit that could be. */
export interface QuestionExits {
  /** One an exit, in the order of slots; the last is full depth. */
  outcomes: RowOutcome[];
  /** The score that decides each exit but the last; none where nothing can decide. */
  scores: readonly number[];
}

/** What a question, or anything else that is scored at every exit, gives at the one that a rule has it take. */
export const outcomeAt = <Outcome>(
  {outcomes, scores}: {outcomes: readonly Outcome[]; scores: readonly number[]},
  rule: ExitRule,
): Outcome => outcomes[rule.firstExit(scores) ?? outcomes.length - 1]!;

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
        task.kind,
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
