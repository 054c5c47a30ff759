import type {ExitRule, ExitsOptions, Model, RowScore, ScoreRow} from '../model/index.js';
import {inBatches, type BatchingOptions, type Results, type RowGroup} from './batches.js';

/** What scoring at every exit needs of a model. */
export type ExitScorer = Pick<Model, 'config' | 'score' | 'scoreExits'>;

/** What something that exits as a whole, such as a question or a sequence of text, gives at every exit. */
export interface AtExits<Outcome> {
  /** One an exit, in the order of slots; the last is full depth. */
  outcomes: readonly Outcome[];
  /** The score that decides each exit but the last; none where nothing can decide. */
  scores: readonly number[];
}

/** The outcome at the exit that a rule chooses. */
export const outcomeAt = <Outcome>({outcomes, scores}: AtExits<Outcome>, rule: ExitRule): Outcome =>
  outcomes[rule.firstExit(scores) ?? outcomes.length - 1]!;

/**
 * Scores groups of rows at every exit: the middle runs once, and the tail once an exit.
 * @returns for each row its scores at every exit; the last, of full depth, has the `exitScores`
 * @throws as `inBatches`, and UsageError as `Model.scoreExits`
 */
export async function scoreGroupsAtExits(
  model: Pick<Model, 'scoreExits'>,
  groups: readonly RowGroup[],
  where: ExitsOptions,
  batching: BatchingOptions,
): Promise<Results<RowScore[]>> {
  const run = async (rows: ScoreRow[]) => {
    const exits = await model.scoreExits(rows, where);
    return rows.map((_, row) => exits.map(({scores}) => scores[row]!));
  };
  return inBatches(groups, run, batching);
}
