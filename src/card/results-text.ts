import {chartFile, numeral, type Series} from '../charts/index.js';
import type {CardFacts} from './facts.js';
import {markdownTable, plain, digits, whole} from './markdown.js';
import type {TaskPoint, TaskRecord} from './results-record.js';

/** The picture's file. */
export const PLOT = 'ztt_accuracy.svg';

/** The metrics that a card shows, in order of preference: a task's first one of these counts. */
const JUDGED = ['acc', 'bits_per_byte', 'perplexity'] as const;

/** The results and the calibration: tables, and a link to the picture; null where nothing was measured. */
export function resultsText(facts: CardFacts): string | null {
  const {results, ztt} = facts;
  const tasks = results?.tasks ?? [];
  const {calibration} = ztt;
  if (tasks.length === 0 && !calibration) return null;
  return [
    '## Accuracy and compute',
    ...(accuracyPlot(facts) ? [`![Accuracy against compute](${PLOT})`] : []),
    ...(tasks.length > 0 ? [measuredText(tasks)] : []),
    ...(calibration ? [calibrationText(calibration)] : []),
  ].join('\n\n');
}

function measuredText(tasks: readonly TaskRecord[]): string {
  const rows = tasks.flatMap((task) =>
    task.points.map((point) => [
      plain(task.name),
      digits(point.threshold),
      point.metrics.map(metricText).join(', '),
      digits(point.mean_slots, 3),
      numeral(point.flops_per_token),
      `${point.flops_ratio_to_source.toFixed(2)}x`,
    ]),
  );
  const columns = ['task', 'threshold', 'result', 'executed layers', 'FLOPs a token', 'of the source'];
  const parts = tasks.map(({name, split, rows, of}) => {
    return `${plain(name)}: ${rows < of ? `the first ${whole(rows)} of ${whole(of)}` : `all ${whole(of)}`} rows of ${plain(split)}`;
  });
  return `${markdownTable(columns, rows)}\n\nMeasured by \`ztt eval\`, with the metrics of lm-evaluation-harness (± standard error); ${parts.join('; ')}. A threshold of 1 is full depth.`;
}

const metricText = ({name, value, stderr}: TaskPoint['metrics'][number]): string =>
  `${plain(name)} ${digits(value)}${stderr === null ? '' : ` ± ${digits(stderr, 2)}`}`;

type Calibration = NonNullable<CardFacts['ztt']['calibration']>;

function calibrationText({threshold, tasks, target, points}: Calibration): string {
  const goal =
    'max_drop' in target
      ? `a fall in accuracy of at most ${digits(100 * target.max_drop)} points`
      : `a budget of ${plain(target.budget)}${/^[\d.]+$/.test(target.budget) ? " times the source's compute" : ' FLOPs a token'}`;
  const on = tasks.map(({name, questions}) => `${whole(questions)} rows of ${plain(name)}`).join(', ');
  const every = Math.ceil(points.length / MAX_ROWS);
  const shown = points.filter((point, i) => i % every === 0 || point.threshold === threshold);
  const rows = shown.map((point) => [
    `${point.threshold === threshold ? '**' : ''}${digits(point.threshold)}${point.threshold === threshold ? '**' : ''}`,
    point.accuracy ? intervalText(point.accuracy, (value) => `${(100 * value).toFixed(1)} %`) : '',
    intervalText(point.flops_ratio, (value) => `${value.toFixed(2)}x`),
    digits(point.mean_slots, 3),
  ]);
  return `The model's threshold, ${digits(threshold)}, was chosen for ${goal}, on ${on}. What others gave there, with 95 % intervals:\n\n${markdownTable(
    ['threshold', 'accuracy', 'FLOPs, of the source', 'executed layers'],
    rows,
  )}`;
}

const MAX_ROWS = 12;

const intervalText = (
  {value, low, high}: Calibration['points'][number]['flops_ratio'],
  text: (value: number) => string,
): string => `${text(value)} (${text(low)} to ${text(high)})`;

/** Accuracy against FLOPs of every task and of the calibration, as an SVG document; null where nothing has accuracy. */
export function accuracyPlot({results, ztt}: CardFacts): string | null {
  const tasks = results?.tasks ?? [];
  const [metric] = JUDGED.filter((name) => name === 'acc' || tasks.length > 0).filter((name) =>
    tasks.some((task) => lineOf(task, name).length > 0),
  );
  const judged = metric ?? 'acc';
  const calibrated = judged === 'acc' ? (ztt.calibration?.points ?? []) : [];
  const series: Series[] = [
    ...tasks.map((task) => ({name: task.name, points: lineOf(task, judged)})),
    {
      name: 'calibration, with 95 % intervals',
      style: 'dotted' as const,
      points: calibrated.flatMap(({accuracy, flops_ratio}) =>
        accuracy ? [{x: flops_ratio.value, y: accuracy.value, low: accuracy.low, high: accuracy.high}] : [],
      ),
    },
  ].filter(({points}) => points.length > 0);
  if (series.length === 0) return null;
  return chartFile({
    xLabel: "FLOPs, as a multiple of the source's",
    yLabel: judged.replaceAll('_', ' '),
    series,
  });
}

function lineOf({points}: TaskRecord, metric: string): Series['points'] {
  return points
    .flatMap((point) => {
      const found = point.metrics.find(({name}) => name === metric);
      if (!found) return [];
      const error = found.stderr ?? 0;
      const ends = {low: found.value - error, high: found.value + error};
      return [{x: point.flops_ratio_to_source, y: found.value, ...ends}];
    })
    .sort((a, b) => a.x - b.x);
}
