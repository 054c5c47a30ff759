import {kindOf} from '../kinds/kinds.js';
import type {Value} from '../measures/metrics.js';
import {addCosts, summarise} from '../../score/index.js';
import {taskMetrics, type RowOutcome} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** The questions whose exit was decided by so many tokens, and what came of them. */
export interface ContextBand {
  /** Tokens that decide, from and to, both included. */
  from: number;
  to: number;
  questions: number;
  mean_slots: number;
  flops_ratio_to_source: number;
  metrics: Record<string, Value>;
}

/** The longest context of the first band; each next one reaches twice as far. */
const FIRST = 16;

/** A task's results by the length of what decides an exit. Where each token exits by itself there is no such length, and no result. */
export function byContextLength(task: Task, outcomes: readonly RowOutcome[]): ContextBand[] {
  if (kindOf(task).byToken) return [];
  const bandOf = ({contextLength}: RowOutcome) => Math.max(0, Math.ceil(Math.log2(contextLength / FIRST)));
  const bands = [...new Set(outcomes.map(bandOf))].sort((a, b) => a - b);
  return bands.map((band) => {
    const indices = outcomes.flatMap((outcome, i) => (bandOf(outcome) === band ? [i] : []));
    const own = indices.map((i) => outcomes[i]!);
    const part = {...task, rows: indices.map((i) => task.rows[i]!)} as Task;
    const {mean_slots, flops_ratio_to_source} = summarise(addCosts(own.map(({cost}) => cost)));
    return {
      from: band === 0 ? 1 : FIRST * 2 ** (band - 1) + 1,
      to: FIRST * 2 ** band,
      questions: own.length,
      mean_slots,
      flops_ratio_to_source,
      metrics: Object.fromEntries(taskMetrics(part, own, 0).map(({name, value}) => [name, value])),
    };
  });
}
