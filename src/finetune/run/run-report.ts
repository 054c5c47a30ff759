import {basename, resolve} from 'node:path';
import {writeFileWhole} from '../../files/index.js';
import {FormatError, UsageError} from '../../errors.js';
import {
  heatmap,
  LINE_STYLES,
  lineChart,
  numeral,
  page,
  type Figure,
  type Point,
  type Series,
} from '../../charts/index.js';
import {readMetrics, type HeldOutMetrics, type MetricsLine} from '../records/metrics.js';

/** Points a line has at most: longer runs are shown as the means of equal stretches. */
const MAX_POINTS = 300;

/** A run's name and metrics. */
interface RunMetrics {
  name: string;
  lines: readonly MetricsLine[];
}

type NumberKey = 'loss' | 'lr' | 'grad_norm' | 'tokens_per_second' | 'cycles';

export interface PlotOptions {
  /** Folders of runs, finished or not. */
  runs: readonly string[];
  /** The .html file to write; one that is there is replaced. */
  output: string;
}

export interface PlotReport {
  output: string;
  runs: {run: string; steps: number}[];
  figures: string[];
}

/**
 * Draws runs' metrics into one self-contained HTML file, several overlaid, with the numbers beside each picture.
 * @throws UsageError for an output that is no .html file; FileError or FormatError for a run that has no metrics
 */
export async function plotRuns({runs, output}: PlotOptions): Promise<PlotReport> {
  if (!output.endsWith('.html')) {
    throw new UsageError(`output is ${JSON.stringify(output)}; it must be the name of an .html file.`);
  }
  const metrics: RunMetrics[] = [];
  for (const run of runs) {
    const lines = await readMetrics(run);
    if (lines.length === 0) throw new FormatError(`${run} has no metrics yet; let it do a step first.`);
    metrics.push({name: basename(resolve(run)), lines});
  }
  const named = metrics.map((run, i) => ({...run, name: nameAmong(metrics, i)}));
  const figures = figuresOf(named);
  const title = named.length === 1 ? `Run ${named[0]!.name}` : `${named.length} runs`;
  const subtitle = 'Losses are mean next-token cross-entropies in nats.';
  await writeFileWhole(output, page({title, subtitle, summary: summary(named), figures}));
  return {
    output,
    runs: runs.map((run, i) => ({run, steps: named[i]!.lines.at(-1)!.step})),
    figures: figures.map((figure) => figure.title),
  };
}

/** A run's folder name, with its place where another has the same. */
function nameAmong(runs: readonly RunMetrics[], index: number): string {
  const {name} = runs[index]!;
  return runs.some((other, i) => i !== index && other.name === name) ? `${name} (${index + 1})` : name;
}

function summary(runs: readonly RunMetrics[]) {
  return {
    columns: [
      'run',
      'steps',
      'last loss',
      'best held-out loss',
      'at step',
      'training FLOPs',
      'tokens a second',
    ],
    rows: runs.map(({name, lines}) => {
      const last = lines.at(-1)!;
      const evaluations = lines.filter((line) => line.held_out && line.step > 0);
      const best = evaluations.reduce<MetricsLine | null>(
        (a, b) => (a && a.held_out!.loss <= b.held_out!.loss ? a : b),
        null,
      );
      const speeds = lines.flatMap((line) => line.tokens_per_second ?? []).sort((a, b) => a - b);
      return [
        name,
        String(last.step),
        last.loss ?? null,
        best?.held_out?.loss ?? null,
        best ? String(best.step) : null,
        last.flops ?? null,
        speeds[Math.floor(speeds.length / 2)] ?? null,
      ];
    }),
  };
}

function figuresOf(runs: readonly RunMetrics[]): Figure[] {
  const byStep = (title: string, key: NumberKey, yLabel: string, caption: string, logY = false) =>
    lineFigure(
      title,
      yLabel,
      caption,
      runs.map(({name, lines}, colour) => ({name, colour, points: means(pointsOf(lines, key))})),
      logY,
    );
  return [
    byStep('Training loss', 'loss', 'nats a token', "Each step's batch, before its update."),
    heldOutFigure(runs),
    ...runs.map(zeroAttentionFigure),
    cycleUseFigure(runs),
    byStep('Cycles in training', 'cycles', 'cycles', 'Cycles that a step ran.'),
    byStep('Learning rate', 'lr', 'learning rate', 'Of each step.'),
    byStep('Gradient norm', 'grad_norm', 'norm', 'Over all parameters, before clipping.', true),
    byStep('Speed', 'tokens_per_second', 'tokens a second', 'Of training, without evaluations.'),
  ].filter((figure) => figure !== null);
}

const pointsOf = (lines: readonly MetricsLine[], key: NumberKey): Point[] =>
  lines.flatMap((line) => (line[key] === undefined ? [] : [{x: line.step, y: line[key]}]));

/** The means of equal stretches of points, so many that they can be drawn. */
export function means(points: readonly Point[]): Point[] {
  const size = Math.ceil(points.length / MAX_POINTS);
  if (size <= 1) return [...points];
  return Array.from({length: Math.ceil(points.length / size)}, (_, i) => {
    const part = points.slice(i * size, (i + 1) * size);
    const mean = (pick: (point: Point) => number) => part.reduce((sum, p) => sum + pick(p), 0) / part.length;
    return {x: mean((point) => point.x), y: mean((point) => point.y)};
  });
}

function heldOutFigure(runs: readonly RunMetrics[]): Figure | null {
  const series = runs.flatMap(({name, lines}, colour): Series[] => {
    const evaluations = evaluationsOf(lines);
    return [
      {
        name: `${name}, all tokens`,
        colour,
        points: evaluations.map(({step, held}) => ({x: step, y: held.loss})),
      },
      ...thresholdsOf(evaluations).map((threshold, i): Series => ({
        name: `${name}, ${exitName(threshold)}`,
        colour: runs.length === 1 ? i + 1 : colour,
        style: LINE_STYLES[(i + 1) % LINE_STYLES.length],
        points: atThreshold(evaluations, threshold, (exit) => exit.loss),
      })),
    ];
  });
  return lineFigure(
    'Held-out loss',
    'nats a token',
    'All tokens at full depth; and the second half of each block, at full depth and where a block exits by the zero attention of its first half.',
    series,
  );
}

function cycleUseFigure(runs: readonly RunMetrics[]): Figure | null {
  const series = runs.flatMap(({name, lines}, colour): Series[] => {
    const evaluations = evaluationsOf(lines);
    const thresholds = thresholdsOf(evaluations);
    return thresholds.length <= 1
      ? []
      : thresholds.map((threshold, i) => ({
          name: `${name}, ${exitName(threshold)}`,
          colour: runs.length === 1 ? i : colour,
          style: LINE_STYLES[i % LINE_STYLES.length],
          points: atThreshold(evaluations, threshold, (exit) => exit.mean_slots),
        }));
  });
  return lineFigure('Cycle use', 'slots run', 'Executed layers, mean over held-out blocks.', series);
}

function zeroAttentionFigure({name, lines}: RunMetrics): Figure | null {
  const held = evaluationsOf(lines).map(({step, held: {zero_attention: zero}}) => ({step, zero}));
  const inTraining = lines.flatMap(({step, zero_attention: zero}) => (zero ? [{step, zero}] : []));
  const measured = (held.some(({zero}) => zero.length > 0) ? held : inTraining).filter(
    ({zero}) => zero.length > 0,
  );
  if (measured.length === 0) return null;
  const every = Math.ceil(measured.length / MAX_POINTS);
  const shown = measured.filter((_, i) => i % every === 0 || i === measured.length - 1);
  const slots = shown[0]!.zero.map((_, slot) => slot);
  const columns = shown.map(({step}) => String(step));
  return {
    title: `Zero attention by slot: ${name}`,
    caption: 'Mean over heads and the context of held-out blocks: what an exit compares with its threshold.',
    picture: heatmap({
      xLabel: 'step',
      yLabel: 'zero attention',
      columns,
      rows: slots.map((slot) => `slot ${slot}`),
      values: slots.map((slot) => shown.map(({zero}) => zero[slot] ?? NaN)),
      from: 0,
      to: Math.max(...shown.flatMap(({zero}) => zero)),
    }),
    numbers: {
      columns: ['step', ...slots.map((slot) => `slot ${slot}`)],
      rows: shown.map(({step, zero}) => [String(step), ...slots.map((slot) => zero[slot] ?? null)]),
    },
  };
}

interface Evaluation {
  step: number;
  held: HeldOutMetrics;
}

const evaluationsOf = (lines: readonly MetricsLine[]): Evaluation[] =>
  lines.flatMap(({step, held_out: held}) => (held ? [{step, held}] : []));

const thresholdsOf = (evaluations: readonly Evaluation[]): number[] => [
  ...new Set(evaluations.flatMap(({held}) => held.exits.map(({threshold}) => threshold))),
];

const exitName = (threshold: number): string =>
  threshold === 1 ? 'full depth' : `P = ${numeral(threshold)}`;

const atThreshold = (
  evaluations: readonly Evaluation[],
  threshold: number,
  pick: (exit: HeldOutMetrics['exits'][number]) => number,
): Point[] =>
  evaluations.flatMap(({step, held}) =>
    held.exits.filter((exit) => exit.threshold === threshold).map((exit) => ({x: step, y: pick(exit)})),
  );

/** Lines by step and their numbers; null where there is nothing to draw. */
function lineFigure(
  title: string,
  yLabel: string,
  caption: string,
  series: readonly Series[],
  logY = false,
): Figure | null {
  const drawn = series.filter(({points}) => points.length > 0);
  if (drawn.length === 0) return null;
  const steps = [...new Set(drawn.flatMap(({points}) => points.map(({x}) => x)))].sort((a, b) => a - b);
  const byStep = drawn.map(({points}) => new Map(points.map(({x, y}) => [x, y])));
  return {
    title,
    caption,
    picture: lineChart({xLabel: 'step', yLabel, series: drawn, logY}),
    numbers: {
      columns: ['step', ...drawn.map(({name}) => name)],
      rows: steps.map((step) => [numeral(step), ...byStep.map((values) => values.get(step) ?? null)]),
    },
  };
}
