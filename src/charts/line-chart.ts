import {html, Html} from './html.js';
import {numeral, scaleOf, type Scale} from './scale.js';
import {CHART_STYLE} from './style.js';

export interface Point {
  x: number;
  y: number;
  /** The ends of an error bar. */
  low?: number;
  high?: number;
}

/** The dashes of a line. */
export const LINE_STYLES = ['solid', 'dashed', 'dotted', 'dashdot', 'sparse'] as const;
export type LineStyle = (typeof LINE_STYLES)[number];

export interface Series {
  name: string;
  points: readonly Point[];
  /** The colour's number; default: its place among the series. Series of one colour differ by `style`. */
  colour?: number;
  style?: LineStyle;
}

export interface LineChartOptions {
  xLabel: string;
  yLabel: string;
  series: readonly Series[];
  logX?: boolean;
  logY?: boolean;
}

/** Colours that the page's style defines. */
const COLOURS = 8;
/** Above this many points a line has no dots. */
const MAX_DOTS = 40;

const SIZE = {width: 480, height: 300};
const FRAME = {left: 70, right: 468, top: 12, bottom: 256};

/** Lines over two axes, as SVG, with a legend where there are several. Values that are no finite numbers are gaps. */
export function lineChart(options: LineChartOptions): Html {
  const {series} = options;
  return html`<svg viewBox="0 0 ${SIZE.width} ${SIZE.height}" role="img" aria-label="${labelOf(options)}">
      ${drawing(options)}
    </svg>
    ${series.length > 1 ? legend(series) : []}`;
}

/** A line chart as an SVG document that needs nothing else; its legend stands below the axes. */
export function chartFile(options: LineChartOptions): string {
  const {series} = options;
  const height = SIZE.height + (series.length > 1 ? LEGEND_ROW * series.length + 8 : 0);
  const rows = series.map(({name, colour, style}, i) => {
    const y = SIZE.height + LEGEND_ROW * i + 8;
    return html`<g class="${seriesClass(colour ?? i, style)}">
        <path d="M${FRAME.left} ${y}h24" />
      </g>
      <text class="name" x="${FRAME.left + 32}" y="${y + 4}">${name}</text>`;
  });
  const document = html`<svg
    xmlns="http://www.w3.org/2000/svg"
    width="${SIZE.width}"
    height="${height}"
    viewBox="0 0 ${SIZE.width} ${height}"
    role="img"
    aria-label="${labelOf(options)}"
  >
    <style>
      ${new Html(CHART_STYLE)}
    </style>
    <rect class="paper" width="${SIZE.width}" height="${height}" />
    ${drawing(options)} ${series.length > 1 ? rows : []}
  </svg>`;
  return `${document.markup}\n`;
}

const LEGEND_ROW = 18;

const labelOf = ({xLabel, yLabel}: LineChartOptions): string => `${yLabel} by ${xLabel}`;

function drawing({xLabel, yLabel, series, logX, logY}: LineChartOptions): Html {
  const points = series.flatMap((each) => each.points);
  const heights = points.flatMap(({y, low, high}) => [y, low ?? y, high ?? y]);
  const x = scaleOf(
    points.map((point) => point.x),
    {range: [FRAME.left, FRAME.right], log: logX},
  );
  const y = scaleOf(heights, {range: [FRAME.bottom, FRAME.top], log: logY});
  return html`${axes(x, y, xLabel, yLabel)} ${series.map((each, i) => line(each, i, x, y))}`;
}

function axes(x: Scale, y: Scale, xLabel: string, yLabel: string): Html {
  const {left, right, top, bottom} = FRAME;
  const middle = (top + bottom) / 2;
  return html`<g class="axis">
    ${y.ticks.map(
      (tick) =>
        html`<line class="grid" x1="${left}" x2="${right}" y1="${round(y(tick))}" y2="${round(y(tick))}" />
          <text x="${left - 6}" y="${round(y(tick) + 4)}" text-anchor="end">${numeral(tick)}</text>`,
    )}
    ${x.ticks.map(
      (tick) =>
        html`<text x="${round(x(tick))}" y="${bottom + 18}" text-anchor="middle">${numeral(tick)}</text>`,
    )}
    <line x1="${left}" x2="${right}" y1="${bottom}" y2="${bottom}" />
    <text x="${(left + right) / 2}" y="${SIZE.height - 6}" text-anchor="middle">${xLabel}</text>
    <text x="12" y="${middle}" text-anchor="middle" transform="rotate(-90 12 ${middle})">${yLabel}</text>
  </g>`;
}

function line({name, points, colour, style}: Series, index: number, x: Scale, y: Scale): Html {
  const drawable = (point: Point) => Number.isFinite(x(point.x)) && Number.isFinite(y(point.y));
  let pen = 'M';
  const path = points
    .map((point) => {
      if (!drawable(point)) {
        pen = 'M';
        return '';
      }
      const step = `${pen}${round(x(point.x))} ${round(y(point.y))}`;
      pen = 'L';
      return step;
    })
    .join('');
  const shown = points.filter(drawable);
  const dots = shown.length <= MAX_DOTS ? shown : [];
  const bars = shown.filter(({low, high}) => low !== undefined && high !== undefined);
  return html`<g class="${seriesClass(colour ?? index, style)}">
    <path d="${path}" />
    ${bars.map(
      (point) =>
        html`<line
          class="error"
          x1="${round(x(point.x))}"
          x2="${round(x(point.x))}"
          y1="${round(y(point.low!))}"
          y2="${round(y(point.high!))}"
        />`,
    )}
    ${dots.map(
      (point) =>
        html`<circle cx="${round(x(point.x))}" cy="${round(y(point.y))}" r="2.5">
          <title>${name}: ${numeral(point.x)}, ${numeral(point.y)}</title>
        </circle>`,
    )}
  </g>`;
}

function legend(series: readonly Series[]): Html {
  return html`<ul class="legend">
    ${series.map(
      ({name, colour, style}, i) =>
        html`<li>
          <svg viewBox="0 0 24 8" aria-hidden="true">
            <g class="${seriesClass(colour ?? i, style)}"><path d="M0 4L24 4" /></g>
          </svg>
          ${name}
        </li>`,
    )}
  </ul>`;
}

/** The style's class; colours that come again have another dash. */
const seriesClass = (colour: number, style?: Series['style']): string =>
  `series c${colour % COLOURS} ${style ?? LINE_STYLES[Math.floor(colour / COLOURS) % LINE_STYLES.length]}`;

const round = (value: number): number => Math.round(value * 10) / 10;
