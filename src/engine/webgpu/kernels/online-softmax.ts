import {eachProduct, eachRow, rowOf, setWeights, SIDE, type Tile} from './tiles.js';

// The softmax of a thread's rows of logits, a tile of columns at a time (Dao et al., arXiv 2205.14135): of the columns so
// far, m_r is a row's largest logit, and l_r the sum of exponentials relative to it.

/** Far below any logit, and finite: its exponential is zero. */
const MASKED = '-1e30';

/** Where threads tell each other of their rows: each its largest logit, and its sum of exponentials. */
export const softmaxMemory = (tile: Tile): string => `
var<workgroup> largest: array<f32, ${tile.rows * SIDE}>;
var<workgroup> total: array<f32, ${tile.rows * SIDE}>;
`;

/** Rows that have seen no key yet, or only the zero token by its logit. */
export const softmaxStart = (tile: Tile, zeroLogit?: (r: number) => string): string =>
  eachRow(tile, (r) =>
    zeroLogit
      ? `var m_${r} = ${zeroLogit(r)}; var l_${r} = 1.0;`
      : `var m_${r} = ${MASKED}; var l_${r} = 0.0;`,
  );

/**
 * Of one tile, the logits s_r_c become `weights` relative to m_r. What was summed so far is to be multiplied by kept_r,
 * as l_r is. Every row must see the first tile's first column, or have begun with the zero token.
 * @param between - what is done once nobody reads `right` any more
 */
export const softmaxStep = (
  tile: Tile,
  visible: (r: number, c: number) => string,
  between: string,
): string => `
${eachProduct(tile, (r, c) => `s_${r}_${c} = select(${MASKED}, s_${r}_${c} * u.scale, ${visible(r, c)});`)}
${eachRow(tile, (r) => `largest[${rowOf(r)} * ${SIDE}u + across] = ${folded(tile, (c) => `s_${r}_${c}`, 'max')};`)}
workgroupBarrier();
${between}
${eachRow(
  tile,
  (r) => `
let before_${r} = m_${r};
for (var i = 0u; i < ${SIDE}u; i++) { m_${r} = max(m_${r}, largest[${rowOf(r)} * ${SIDE}u + i]); }
let kept_${r} = exp(before_${r} - m_${r});`,
)}
${eachProduct(tile, (r, c) => `s_${r}_${c} = exp(s_${r}_${c} - m_${r});`)}
${setWeights(tile, (r, c) => `s_${r}_${c}`)}
${eachRow(tile, (r) => `total[${rowOf(r)} * ${SIDE}u + across] = ${folded(tile, (c) => `s_${r}_${c}`, '')};`)}
workgroupBarrier();
${eachRow(
  tile,
  (r) => `
l_${r} *= kept_${r};
for (var i = 0u; i < ${SIDE}u; i++) { l_${r} += total[${rowOf(r)} * ${SIDE}u + i]; }`,
)}`;

/** A thread's columns as one value: their sum, or what a function of two gives. */
function folded(tile: Tile, value: (c: number) => string, by: string): string {
  const values = Array.from({length: tile.columns / SIDE}, (_, c) => value(c));
  return values.reduce((a, b) => (by === '' ? `${a} + ${b}` : `${by}(${a}, ${b})`));
}
