import {html, type Html} from './html.js';
import {numeral} from './scale.js';

export interface HeatmapOptions {
  xLabel: string;
  yLabel: string;
  /** The columns' and the rows' names. */
  columns: readonly string[];
  rows: readonly string[];
  /** [rows][columns]; what is no finite number is left empty. */
  values: readonly (readonly number[])[];
  /** The values of no colour and of full colour. */
  from: number;
  to: number;
}

const WIDTH = 480;
const LEFT = 104;
const TOP = 8;
/** Labels closer than this would touch. */
const LABEL_WIDTH = 44;

/** A matrix as coloured cells, as SVG: fuller is greater. */
export function heatmap({xLabel, yLabel, columns, rows, values, from, to}: HeatmapOptions): Html {
  const cellHeight = Math.max(10, Math.min(22, 400 / rows.length));
  const cellWidth = (WIDTH - LEFT - 8) / columns.length;
  const bottom = TOP + cellHeight * rows.length;
  const every = Math.ceil(LABEL_WIDTH / cellWidth);
  const cells = values.flatMap((row, i) =>
    row.map((value, j) => {
      const share = Math.min(1, Math.max(0, (value - from) / (to - from)));
      const [x, y] = [LEFT + j * cellWidth, TOP + i * cellHeight].map((place) => place.toFixed(1));
      return Number.isFinite(share)
        ? html`<rect
            x="${x!}"
            y="${y!}"
            width="${cellWidth.toFixed(1)}"
            height="${cellHeight.toFixed(1)}"
            fill-opacity="${share.toFixed(3)}"
          >
            <title>${rows[i]!}, ${columns[j]!}: ${numeral(value)}</title>
          </rect>`
        : html``;
    }),
  );
  return html`<svg viewBox="0 0 ${WIDTH} ${bottom + 44}" role="img" aria-label="${yLabel} by ${xLabel}">
      <g class="axis">
        ${rows.map(
          (row, i) =>
            html`<text x="${LEFT - 6}" y="${TOP + (i + 0.5) * cellHeight + 4}" text-anchor="end"
              >${row}</text
            >`,
        )}
        ${columns.map((column, j) =>
          j % every === 0
            ? html`<text x="${LEFT + (j + 0.5) * cellWidth}" y="${bottom + 16}" text-anchor="middle"
                >${column}</text
              >`
            : html``,
        )}
        <text x="${(LEFT + WIDTH) / 2}" y="${bottom + 36}" text-anchor="middle">${xLabel}</text>
      </g>
      <rect class="outline" x="${LEFT}" y="${TOP}" width="${WIDTH - LEFT - 8}" height="${bottom - TOP}" />
      <g class="cells">${cells}</g>
    </svg>
    <p class="note">${yLabel}: no colour is ${numeral(from)}, full colour ${numeral(to)}.</p>`;
}
