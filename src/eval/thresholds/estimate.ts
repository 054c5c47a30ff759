import type {CurvePoint} from '../../model/index.js';
import {mean} from '../measures/stderr.js';
import {PythonRandom} from '../measures/python-random.js';
import {isRight, type TaskScores} from '../scoring/score-task.js';
import type {Task} from '../tasks/task.js';

/** What a threshold gives over several tasks. */
export type Measured = Omit<CurvePoint, 'threshold'>;
type Estimate = Measured['flops_ratio'];

/** Resamples for the intervals. */
const RESAMPLES = 500;

/** The questions of one task, as far as resampling needs them. */
interface Questions {
  hits: number[] | null;
  flops: number[];
  sourceFlops: number[];
}

/** Accuracy and cost over tasks; the intervals are percentiles of a seeded bootstrap over each task's questions. */
export function measure(tasks: readonly Task[], scores: readonly TaskScores[]): Measured {
  const questions = tasks.map((task, t): Questions => {
    const {outcomes} = scores[t]!;
    const hits = outcomes.map((outcome, i) => isRight(task, i, outcome));
    return {
      hits: hits.includes(null) ? null : hits.map(Number),
      flops: outcomes.map(({cost}) => cost.flops),
      sourceFlops: outcomes.map(({cost}) => cost.sourceFlops),
    };
  });
  const random = new PythonRandom(0);
  const resampled = Array.from({length: RESAMPLES}, () =>
    questions.map((own) =>
      draw(
        own,
        own.flops.map(() => random.index(own.flops.length)),
      ),
    ),
  );
  const whole = questions.map((own) => draw(own, [...own.flops.keys()]));
  const sum = (of: (cost: TaskScores['cost']) => number) =>
    scores.reduce((total, {cost}) => total + of(cost), 0);
  const accuracy = accuracyOf(whole);
  return {
    accuracy:
      accuracy === null
        ? null
        : interval(
            accuracy,
            resampled.map((sample) => accuracyOf(sample)!),
          ),
    flops_ratio: interval(ratioOf(whole), resampled.map(ratioOf)),
    flops_per_token: sum(({flops}) => flops) / sum(({tokens}) => tokens),
    mean_slots: sum(({slots}) => slots) / sum(({rows}) => rows),
  };
}

/** Sums over chosen questions of a task. */
interface Drawn {
  accuracy: number | null;
  flops: number;
  sourceFlops: number;
}

function draw({hits, flops, sourceFlops}: Questions, chosen: readonly number[]): Drawn {
  const sum = (values: readonly number[]) => chosen.reduce((total, i) => total + values[i]!, 0);
  return {
    accuracy: hits && sum(hits) / chosen.length,
    flops: sum(flops),
    sourceFlops: sum(sourceFlops),
  };
}

function accuracyOf(tasks: readonly Drawn[]): number | null {
  const values = tasks.flatMap(({accuracy}) => accuracy ?? []);
  return values.length === 0 ? null : mean(values);
}

const ratioOf = (tasks: readonly Drawn[]): number =>
  tasks.reduce((sum, {flops}) => sum + flops, 0) / tasks.reduce((sum, task) => sum + task.sourceFlops, 0);

function interval(value: number, resampled: readonly number[]): Estimate {
  const sorted = [...resampled].sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
  return {value, low: Math.min(value, at(0.025)), high: Math.max(value, at(0.975))};
}
