import {exitRule} from '../../model/index.js';
import {outcomeAt, scoreGroupsAtExits, type ExitScorer, type ScoreOptions} from '../../score/index.js';
import {kindOf} from '../kinds/kinds.js';
import {questionExits, scoresAt, type QuestionExits} from './exits.js';
import {scoreTask, taskGroups, type PreparedTask, type TaskScores} from './score-task.js';

/** A task's scores at any threshold. */
export interface TaskDepths {
  at(threshold: number): Promise<TaskScores>;
  /** What comes of each question at every exit; null where it was not computed. */
  exits: QuestionExits[] | null;
}

/** As `ScoreOptions`; thresholds come later. */
export type DepthOptions = Omit<ScoreOptions, 'threshold' | 'exitScores'>;

/** Whether the tokens of a task exit each by itself: as asked for, or because its kind cannot exit otherwise. */
export const exitsByToken = ({task}: PreparedTask, {exitGranularity}: DepthOptions): boolean =>
  kindOf(task).byToken || exitGranularity === 'token';

/**
 * Scores a task so that its results at any threshold follow without running again: from one pass through the middle,
 * and one through the tail for each exit that could be.
 * @throws UsageError and InterruptedError as `scoreGroupsAtExits`
 */
export async function scoreAllExits(
  model: ExitScorer,
  prepared: PreparedTask,
  options: DepthOptions,
): Promise<TaskDepths> {
  const {batchTokens, onProgress, signal, exitFromCycle, exitScore, maxCycles, slotThresholds} = options;
  const where = {exitFromCycle, exitScore, maxCycles};
  const batching = {batchTokens, onProgress, signal};
  const {results, seconds} = await scoreGroupsAtExits(model, taskGroups(prepared), where, batching);
  const exits = questionExits(prepared, results.flat(), model.config.arch);
  return {
    exits,
    at: (threshold) => {
      const rule = exitRule(model.config, {...where, slotThresholds, threshold});
      return Promise.resolve({...scoresAt(exits, (question) => outcomeAt(question, rule)), seconds});
    },
  };
}

/** Scores a task at each threshold by itself, once each. */
export function scoreEachThreshold(
  model: ExitScorer,
  prepared: PreparedTask,
  options: DepthOptions,
): TaskDepths {
  const exitGranularity = exitsByToken(prepared, options) ? 'token' : 'sequence';
  const known = new Map<number, Promise<TaskScores>>();
  return {
    exits: null,
    at: (threshold) => {
      const scores =
        known.get(threshold) ?? scoreTask(model, prepared, {...options, exitGranularity, threshold});
      known.set(threshold, scores);
      return scores;
    },
  };
}
