import {
  LINE_STYLES,
  lineChart,
  numeral,
  page,
  type Figure,
  type Series,
  type TableOptions,
} from '../charts/index.js';
import type {Comparison, Measured, Row} from './comparison.js';
import {SOURCE_ROW} from './summary.js';

/** Parameters, or FLOPs, that count as equal to vanilla's. */
const EQUAL_PARAMETERS = 0.01;
const EQUAL_COMPUTE = 0.05;

/** A comparison as a self-contained HTML page. */
export function comparisonPage(comparison: Comparison): string {
  const {rows, budget, seeds, cells, engine} = comparison;
  const unfinished = cells.done < cells.all ? ` ${cells.done} of ${cells.all} models are there yet.` : '';
  return page({
    title: `Layouts of ${comparison.source}`,
    subtitle:
      `Every model but the source trained for ${numeral(budget.amount)} ${UNITS[budget.unit]}; seeds ${seeds.join(', ')}; ` +
      `${engine ?? 'no engine yet'}. Errors are standard errors over seeds, or over questions where there is one seed. ` +
      `Differences are to vanilla, trained for as much: 95 % of a paired bootstrap over questions and seeds.${unfinished}`,
    summary: summaryTable(rows),
    figures: measuresOf(rows).flatMap((name) => figures(rows, name)),
  });
}

const UNITS = {steps: 'steps', tokens: 'tokens', flops: 'training FLOPs'};

/** The names of all measures. */
const measuresOf = (rows: readonly Row[]): string[] => [
  ...new Set(rows.flatMap(({measures}) => Object.keys(measures))),
];

function summaryTable(rows: readonly Row[]): TableOptions {
  return {
    columns: [
      'model',
      'threshold',
      'parameters',
      'training FLOPs',
      'measure',
      'value',
      'error',
      'to vanilla',
      'low',
      'high',
      'p',
      'slots',
      'FLOPs of source',
      'front',
    ],
    rows: rows.flatMap((row) =>
      Object.entries(row.measures).map(([name, {difference, ...measured}]) => [
        row.model,
        exitsOf(row),
        row.parameters,
        row.training?.flops ?? null,
        labelOf(name, measured),
        measured.value,
        measured.error,
        difference?.value ?? null,
        difference?.low ?? null,
        difference?.high ?? null,
        difference?.p ?? null,
        measured.meanSlots,
        measured.flopsRatio,
        measured.pareto ? 'yes' : '',
      ]),
    ),
  };
}

/** The threshold, the share that chose it, or the penalty that thresholds were learned with. */
function exitsOf({threshold, share, learned}: Row): string {
  if (learned) return `learned, ${numeral(learned.penalty)}`;
  return share === null ? numeral(threshold) : `${numeral(100 * share)} % exit`;
}

const labelOf = (name: string, {metric}: Pick<Measured, 'metric'>): string => `${name}: ${metric}`;

/** A measure against compute: of all, of those with vanilla's parameters, of those with its inference compute. */
function figures(rows: readonly Row[], name: string): Figure[] {
  const own = rows.filter(({measures}) => measures[name]);
  const label = labelOf(name, own[0]!.measures[name]!);
  const vanilla = own.find(({model}) => model === 'vanilla' || model.startsWith('vanilla,'));
  const all = figure(own, name, {
    title: `${label} against inference compute`,
    caption: 'One point a threshold. What lies on the front is beaten by nothing that costs as little.',
  });
  if (!vanilla) return [all];
  const near = (value: number, of: number, share: number) => Math.abs(value / of - 1) <= share;
  const framings = [
    {
      title: `${label} at equal parameters`,
      caption: `Models with vanilla's parameters, to ${100 * EQUAL_PARAMETERS} %, at full depth.`,
      rows: own.filter(
        ({threshold, learned, parameters}) =>
          threshold === 1 && !learned && near(parameters, vanilla.parameters, EQUAL_PARAMETERS),
      ),
    },
    {
      title: `${label} at equal inference compute`,
      caption: `Models and thresholds with the source's FLOPs, to ${100 * EQUAL_COMPUTE} %.`,
      rows: own.filter(({measures}) => near(measures[name]!.flopsRatio, 1, EQUAL_COMPUTE)),
    },
  ];
  return [all, ...framings.map(({rows: some, ...words}) => figure(some, name, words))];
}

function figure(rows: readonly Row[], name: string, words: Pick<Figure, 'title' | 'caption'>): Figure {
  const {metric} = rows[0]!.measures[name]!;
  const xLabel = "FLOPs, as a multiple of the source's";
  const models = [...new Set(rows.map(({model}) => model))];
  const series = models.map((model, i): Series => {
    const points = rows
      .filter((row) => row.model === model)
      .map(({measures}) => {
        const {flopsRatio: x, value: y, error} = measures[name]!;
        return error === null ? {x, y} : {x, y, low: y - error, high: y + error};
      })
      .sort((a, b) => a.x - b.x);
    return {name: model, points, style: LINE_STYLES[Math.floor(i / 8) % LINE_STYLES.length]};
  });
  return {
    ...words,
    picture: lineChart({xLabel, yLabel: metric, series}),
    numbers: {
      columns: ['model', 'threshold', 'parameters', xLabel, metric, 'error', 'seeds'],
      rows: rows.map((row) => {
        const {model, parameters, seeds, measures} = row;
        const {flopsRatio, value, error} = measures[name]!;
        return [
          model,
          exitsOf(row),
          parameters,
          flopsRatio,
          value,
          error,
          model === SOURCE_ROW ? null : seeds,
        ];
      }),
    },
  };
}
