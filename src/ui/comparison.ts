import {bytes, count, duration, flops, ratio} from './format.js';
import {table, type Column} from './table.js';

/** The part of a comparison that the table shows. */
interface ComparisonNumbers {
  rows: readonly {
    model: string;
    threshold: number;
    share: number | null;
    learned: {penalty: number} | null;
    parameters: number;
    seeds: number;
    training: {steps: number; flops: number} | null;
    measures: Readonly<
      Record<
        string,
        {
          metric: string;
          value: number;
          error: number | null;
          flopsRatio: number;
          difference: {value: number; low: number; high: number} | null;
          pareto: boolean;
        }
      >
    >;
  }[];
}

const right = (title: string): Column => ({title, align: 'right'});

/** The threshold, the share that chose it, or the penalty that thresholds were learned with. */
function exitsOf({threshold, share, learned}: ComparisonNumbers['rows'][number]): string {
  if (learned) return `learned, ${learned.penalty}`;
  return share === null ? String(threshold) : `${Number((100 * share).toPrecision(12))} % exit`;
}

/** A line for each model at each threshold, for each measure a few columns. */
export function comparisonTable({rows}: ComparisonNumbers): string {
  const measures = [...new Set(rows.flatMap((row) => Object.keys(row.measures)))];
  const columns: Column[] = [
    {title: 'model'},
    right('P'),
    right('parameters'),
    right('steps'),
    right('training'),
    ...measures.flatMap((name) => [
      right(`${name}: ${rows.find((row) => row.measures[name])!.measures[name]!.metric}`),
      right('to vanilla'),
      right('FLOPs'),
    ]),
  ];
  const lines = rows.map((row) => [
    row.model,
    exitsOf(row),
    count(row.parameters),
    row.training ? count(Math.round(row.training.steps)) : '',
    row.training ? flops(row.training.flops) : '',
    ...measures.flatMap((name) => {
      const own = row.measures[name];
      if (!own) return ['', '', ''];
      const {value, error, difference, flopsRatio, pareto} = own;
      const bars = error === null ? '' : ` ± ${error.toPrecision(2)}`;
      const signed = (number: number) => `${number > 0 ? '+' : ''}${number.toFixed(3)}`;
      return [
        `${value.toPrecision(4)}${bars}`,
        difference
          ? `${signed(difference.value)} [${signed(difference.low)}, ${signed(difference.high)}]`
          : '',
        `${ratio(flopsRatio)}${pareto ? ' *' : '  '}`,
      ];
    }),
  ]);
  return `${table(columns, lines)}\n* nothing else is as good for as few FLOPs. To vanilla: the middle 95 % of a paired bootstrap.`;
}

/** The part of a comparison's plan that the table shows. */
interface PlanNumbers {
  runs: readonly {
    name: string;
    train: {steps: number};
    takes: {
      flops: number;
      tokensPerStep: number;
      memory: {total: number};
      disk: {checkpoints: number; model: number};
    };
    evaluations: readonly {done: boolean}[];
  }[];
  jobs: number;
  threads: number;
  /** FLOPs a second that training reaches here, about. */
  flopsPerSecond: number;
}

/** The plan of a comparison, a line for each model. */
export function planTable({runs, jobs, threads, flopsPerSecond}: PlanNumbers): string {
  const isDone = (run: PlanNumbers['runs'][number]) => run.evaluations.every(({done}) => done);
  const lines = runs.map((run) => [
    run.name,
    count(run.train.steps),
    count(run.train.steps * run.takes.tokensPerStep),
    flops(run.takes.flops),
    bytes(run.takes.memory.total),
    isDone(run) ? 'done' : '',
  ]);
  const left = runs.filter((run) => !isDone(run));
  const sum = (of: (run: PlanNumbers['runs'][number]) => number) =>
    left.reduce((total, run) => total + of(run), 0);
  const work = sum(({takes}) => takes.flops);
  const whenDone = sum(({takes}) => takes.disk.model);
  const atOnce = Math.max(0, ...left.map(({takes}) => takes.disk.checkpoints)) * jobs;
  const columns: Column[] = [
    {title: 'model'},
    right('steps'),
    right('tokens'),
    right('training'),
    right('memory'),
    {title: ''},
  ];
  return [
    table(columns, lines),
    `${left.length} of ${runs.length} to train, ${jobs} at a time with ${threads} threads each: ${flops(work)}, ` +
      `about ${duration(work / flopsPerSecond)} here, scoring not counted.`,
    `Disk: ${bytes(whenDone)} of models, and ${bytes(atOnce)} of checkpoints at most while they are trained.`,
  ].join('\n');
}
