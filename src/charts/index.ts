/** Reports as self-contained HTML: a page, line charts, heatmaps, and a table beside each. Knows no model and no run. */
export {heatmap, type HeatmapOptions} from './heatmap.js';
export {html, type Html} from './html.js';
export {
  chartFile,
  LINE_STYLES,
  lineChart,
  type LineChartOptions,
  type Point,
  type Series,
} from './line-chart.js';
export {page, type Figure, type PageOptions} from './page.js';
export {numeral} from './scale.js';
export {table, type TableOptions} from './table.js';
