import {scoresAt, type QuestionExits} from '../scoring/exits.js';
import {summarise} from '../../score/index.js';
import type {Value} from '../measures/metrics.js';
import {isRight, taskMetrics} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** What the best exit of each question would give: no rule that chooses exits can do better. */
export interface Ceiling {
  metrics: Record<string, Value>;
  mean_slots: number;
  flops_ratio_to_source: number;
}

/**
 * The results if each question left at its cheapest exit where it is answered right, and at the cheapest of all where
 * it never is.
 */
export function oracleCeiling(task: Task, exits: readonly QuestionExits[]): Ceiling {
  const {outcomes, cost} = scoresAt(
    exits,
    (question, row) =>
      question.outcomes.find((outcome) => isRight(task, row, outcome)) ?? question.outcomes[0]!,
  );
  const {mean_slots, flops_ratio_to_source} = summarise(cost);
  const metrics = taskMetrics(task, outcomes, 0).filter(({name}) => name === 'acc');
  return {
    metrics: Object.fromEntries(metrics.map(({name, value}) => [name, value])),
    mean_slots,
    flops_ratio_to_source,
  };
}
