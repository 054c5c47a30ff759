import {
  heatmap,
  LINE_STYLES,
  lineChart,
  numeral,
  page,
  type Figure,
  type Point,
  type Series,
  type TableOptions,
} from '../../charts/index.js';
import type {EvalReport, ThresholdReport} from './results.js';

/** What a task is judged by, in the order in which one is looked for. */
const JUDGED = ['acc', 'bits_per_byte', 'perplexity'] as const;

/**
 * An evaluation as a self-contained HTML page: results against compute and against time, depths, zero attention and the
 * tables, each picture with its numbers.
 */
export function htmlReport(report: EvalReport): string {
  const {ztt, model_name: name} = report;
  const figures = [
    ...metricFigures(report),
    exitFigure(report),
    ...Object.keys(report.results).map((task) => contextFigure(report, task)),
    curveFigure(report),
    zeroBySlot(report),
    zeroByToken(report),
    budgetFigure(report),
  ].filter((figure) => figure !== null);
  const {layout, cycles, engine} = ztt;
  const subtitle =
    `${layout}, ${cycles} ${cycles === 1 ? 'cycle' : 'cycles'}, ${ztt.slots} slots, ${numeral(ztt.parameters.all)} parameters; ` +
    `engine ${engine.name}, ${engine.device}.${ownThresholds(report)} Error bars are standard errors.`;
  return page({title: `Evaluation of ${name}`, subtitle, summary: summary(report), figures});
}

function ownThresholds({ztt}: EvalReport): string {
  const own = Object.entries(ztt.slot_thresholds).map(
    ([slot, threshold]) => `${slot} (${numeral(threshold)})`,
  );
  return own.length > 0 ? ` Slots with a threshold of their own: ${own.join(', ')}.` : '';
}

function summary({results, ztt}: EvalReport): TableOptions {
  return {
    columns: [
      'task',
      'threshold',
      'metric',
      'value',
      'error',
      'slots',
      'FLOPs a token',
      'of source',
      's a question, batched',
      's a question, alone',
    ],
    rows: Object.keys(results).flatMap((task) =>
      ztt.thresholds.flatMap((at) => {
        const cost = at.tasks[task]!;
        return metricNames(at, task).map((metric) => [
          task,
          at.threshold,
          metric,
          numberOf(at, task, metric),
          numberOf(at, task, `${metric}_stderr`),
          cost.mean_slots,
          cost.flops_per_token,
          cost.flops_ratio_to_source,
          cost.timing?.batched_seconds ?? null,
          cost.timing?.single_seconds ?? null,
        ]);
      }),
    ),
  };
}

/** For each metric that tasks are judged by, it against FLOPs and against seconds. */
function metricFigures(report: EvalReport): Figure[] {
  const tasks = Object.keys(report.results);
  return JUDGED.flatMap((metric) => {
    const own = tasks.filter((task) => judgedBy(report, task) === metric);
    if (own.length === 0) return [];
    const against = (
      title: string,
      xLabel: string,
      x: (at: ThresholdReport, task: string) => number | null,
    ): Figure => {
      const series = own.map((task): Series => ({
        name: task,
        points: report.ztt.thresholds
          .flatMap((at) => pointOf(at, task, metric, x(at, task)))
          .sort((a, b) => a.x - b.x),
      }));
      return {
        title: `${metric} against ${title}`,
        caption: `${xLabel}. One point a threshold: ${report.ztt.thresholds.map(({threshold}) => numeral(threshold)).join(', ')}.`,
        picture: lineChart({xLabel, yLabel: metric, series}),
        numbers: {
          columns: ['task', 'threshold', xLabel, metric, 'error'],
          rows: own.flatMap((task) =>
            report.ztt.thresholds.map((at) => [
              task,
              at.threshold,
              x(at, task),
              numberOf(at, task, metric),
              numberOf(at, task, `${metric}_stderr`),
            ]),
          ),
        },
      };
    };
    const timed = report.ztt.thresholds.some(({timing}) => timing);
    return [
      against(
        'compute',
        "FLOPs, as a multiple of the source model's",
        (at, task) => at.tasks[task]!.flops_ratio_to_source,
      ),
      ...(timed
        ? [
            against('time, batched', 'seconds a question in batches', (at, task) =>
              secondsOf(at, task, 'batched_seconds'),
            ),
            against('time, alone', 'seconds a question alone', (at, task) =>
              secondsOf(at, task, 'single_seconds'),
            ),
          ]
        : []),
    ];
  });
}

const secondsOf = (at: ThresholdReport, task: string, which: 'batched_seconds' | 'single_seconds') =>
  at.tasks[task]!.timing?.[which] ?? null;

function pointOf(at: ThresholdReport, task: string, metric: string, x: number | null): Point[] {
  const y = numberOf(at, task, metric);
  const error = numberOf(at, task, `${metric}_stderr`) ?? 0;
  return x === null || y === null ? [] : [{x, y, low: y - error, high: y + error}];
}

/** The share of tokens that ran so many slots, at each threshold. */
function exitFigure({ztt}: EvalReport): Figure | null {
  const depths = [...new Set(ztt.thresholds.flatMap((at) => Object.keys(at.exits_by_slot)))].sort(
    (a, b) => Number(a) - Number(b),
  );
  if (depths.length < 2) return null;
  const rows = ztt.thresholds.map(({threshold}) => `P = ${numeral(threshold)}`);
  const shares = ztt.thresholds.map(({exits_by_slot: exits, tokens}) =>
    depths.map((depth) => (exits[depth] ?? 0) / tokens),
  );
  return {
    title: 'Exits by slot',
    caption: 'The share of all tokens read that ran so many slots.',
    picture: heatmap({
      xLabel: 'slots run',
      yLabel: 'share',
      columns: depths,
      rows,
      values: shares,
      from: 0,
      to: 1,
    }),
    numbers: {
      columns: ['threshold', ...depths.map((depth) => `${depth} slots`)],
      rows: ztt.thresholds.map(({threshold}, i) => [threshold, ...shares[i]!]),
    },
  };
}

/** A task's depth and accuracy by the length of what decides its exits. */
function contextFigure({ztt}: EvalReport, task: string): Figure | null {
  const bands = ztt.thresholds.map((at) => ({at, bands: at.tasks[task]!.by_context_length}));
  if (bands.every((each) => each.bands.length === 0)) return null;
  const series = bands.map(({at, bands: own}, i): Series => ({
    name: `P = ${numeral(at.threshold)}`,
    style: LINE_STYLES[i % LINE_STYLES.length],
    points: own.map(({to, mean_slots: y}) => ({x: to, y})),
  }));
  return {
    title: `${task}: depth by context length`,
    caption: 'Mean slots run, by how many tokens decide the exit: up to so many, above half as many.',
    picture: lineChart({xLabel: 'tokens of context', yLabel: 'slots', series, logX: true}),
    numbers: {
      columns: ['threshold', 'from', 'to', 'questions', 'slots', 'of source', 'acc'],
      rows: bands.flatMap(({at, bands: own}) =>
        own.map((band) => {
          const acc = band.metrics['acc'];
          return [
            at.threshold,
            band.from,
            band.to,
            band.questions,
            band.mean_slots,
            band.flops_ratio_to_source,
            typeof acc === 'number' ? acc : null,
          ];
        }),
      ),
    },
  };
}

/** What the calibration split gave at thresholds. */
function curveFigure({ztt: {calibration: curve}}: EvalReport): Figure | null {
  const points = curve.flatMap(({accuracy, flops_ratio: flops}) =>
    accuracy ? [{x: flops.value, y: accuracy.value, low: accuracy.low, high: accuracy.high}] : [],
  );
  if (points.length === 0) return null;
  const [xLabel, yLabel] = ["FLOPs, as a multiple of the source model's", 'accuracy'];
  return {
    title: 'Calibration',
    caption: 'On the calibration split, which is not measured on. Bars are 95 % intervals.',
    picture: lineChart({xLabel, yLabel, series: [{name: 'calibration', points: points.reverse()}]}),
    numbers: {
      columns: ['threshold', xLabel, 'low', 'high', yLabel, 'low', 'high', 'slots'],
      rows: curve.map(({threshold, accuracy, flops_ratio: flops, mean_slots: slots}) => [
        threshold,
        flops.value,
        flops.low,
        flops.high,
        accuracy?.value ?? null,
        accuracy?.low ?? null,
        accuracy?.high ?? null,
        slots,
      ]),
    },
  };
}

function zeroBySlot({ztt: {zero_attention: zero}}: EvalReport): Figure | null {
  if (!zero) return null;
  const means = zero.by_token.map((tokens) => {
    const values = tokens.filter((value) => value !== null);
    return values.reduce((sum, value) => sum + value, 0) / values.length;
  });
  return {
    title: 'Zero attention by slot',
    caption: `At full depth: means over heads and the first ${zero.by_token[0]!.length} tokens of ${zero.rows} rows.`,
    picture: lineChart({
      xLabel: 'slot',
      yLabel: 'zero attention',
      series: [{name: 'zero attention', points: means.map((y, x) => ({x, y}))}],
    }),
    numbers: {columns: ['slot', 'zero attention'], rows: means.map((mean, slot) => [String(slot), mean])},
  };
}

function zeroByToken({ztt: {zero_attention: zero}}: EvalReport): Figure | null {
  if (!zero) return null;
  const values = zero.by_token.map((tokens) => tokens.map((value) => value ?? NaN));
  const columns = values[0]!.map((_, token) => String(token));
  const rows = values.map((_, slot) => `slot ${slot}`);
  const to = Math.max(...values.flat().filter(Number.isFinite));
  return {
    title: 'Zero attention by slot and token',
    caption: `At full depth: means over heads and ${zero.rows} rows. Later tokens have more keys to share their attention with.`,
    picture: heatmap({xLabel: 'token', yLabel: 'zero attention', columns, rows, values, from: 0, to}),
    numbers: {
      columns: ['slot', ...columns.map((token) => `token ${token}`)],
      rows: zero.by_token.map((tokens, slot) => [String(slot), ...tokens]),
    },
  };
}

/** What was asked for, and what came of it. */
function budgetFigure({ztt: {budgets}}: EvalReport): Figure | null {
  if (budgets.length === 0) return null;
  const points = (of: (budget: (typeof budgets)[number]) => number) =>
    budgets.map((budget) => ({x: budget.asked, y: of(budget)}));
  return {
    title: 'Budgets',
    caption: 'Compute of the thresholds that were chosen: on the calibration split, and here.',
    picture: lineChart({
      xLabel: 'asked for',
      yLabel: 'compute',
      series: [
        {name: 'where it was chosen', points: points(({calibrated}) => calibrated), style: 'dashed'},
        {name: 'here', points: points(({achieved}) => achieved)},
      ],
    }),
    numbers: {
      columns: ['budget', 'threshold', 'where it was chosen', 'here'],
      rows: budgets.map(({budget, threshold, calibrated, achieved}) => [
        budget,
        threshold,
        calibrated,
        achieved,
      ]),
    },
  };
}

const judgedBy = ({ztt}: EvalReport, task: string) =>
  JUDGED.find((metric) => numberOf(ztt.thresholds[0]!, task, metric) !== null);

const metricNames = (at: ThresholdReport, task: string): string[] =>
  Object.keys(at.results[task]!)
    .filter((key) => key.endsWith(',none') && !key.endsWith('_stderr,none'))
    .map((key) => key.slice(0, -',none'.length));

function numberOf(at: ThresholdReport, task: string, metric: string): number | null {
  const value = at.results[task]![`${metric},none`];
  return typeof value === 'number' ? value : null;
}
