import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {StrandScoreAttributes} from '../../contract.js';
import {present} from '../../register.js';
import {softmaxMemory, softmaxStart, softmaxStep} from './online-softmax.js';
import {output, reads, run, writes, type Element, type Info, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {logitCount, mostQueries, planOf, TILE_NUMBERS} from './strand-plan.js';
import {
  addWeighted,
  columnOf,
  eachProduct,
  eachQuad,
  eachRow,
  fill,
  hasQuad,
  memory,
  PLACE,
  products,
  quadOf,
  reader,
  rowOf,
  setWeights,
  sums,
  THREADS,
  tileFor,
  WIDE,
  writer,
  type Tile,
} from './tiles.js';

// Shapes: N queries, D width, H heads, d = D / H. Keys and values lie anywhere among rows; `plan` says where.

type Constants = Tile & {zero: boolean; values: boolean};

/** A workgroup's tile and head, the head taking turns. */
const WHERE = `
let tile = group / u.heads * ${TILE_NUMBERS}u;
let head = group % u.heads;
let first = u32(plan[tile]);
let count = u32(plan[tile + 1u]);
let keysAt = u32(plan[tile + 2u]);
let keys = u32(plan[tile + 3u]);
let logitsAt = u32(plan[tile + 4u]);
let strandKeys = u32(plan[tile + 5u]);`;

/** Of each of a thread's rows: its query, whether it is one, and how many keys it sees. */
const queriesOf = (tile: Tile): string =>
  eachRow(
    tile,
    (r) => `
let query_${r} = first + min(${rowOf(r)}, count - 1u);
let there_${r} = ${rowOf(r)} < count;
let seen_${r} = u32(plan[u.seenAt + query_${r}]);
let logits_${r} = logitsAt + (min(${rowOf(r)}, count - 1u) * u.heads + head) * strandKeys;`,
  );

/** Fills `right` with the tile of keys, or values, from `start` on. */
const fillKeys = (tile: Tile, name: 'k' | 'v'): string =>
  fill(
    tile,
    'right',
    name,
    'start + row < keys',
    `u32(plan[keysAt + start + row]) * u.${name}Stride + u.${name}At + head * ${tile.d}u`,
  );

/** Each query's sum of values, or its logits for later. */
const attend: Shader<Constants> = {
  name: 'attention over strands',
  threads: THREADS,
  code: (constants) => `
${memory(constants)}
${softmaxMemory(constants)}
${reader(constants, 'q')}
${reader(constants, 'k')}
${constants.values ? `${reader(constants, 'v')}\n${writer(constants, 'out')}` : ''}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  ${queriesOf(constants)}
  ${fill(constants, 'left', 'q', 'row < count', `(first + row) * u.qStride + u.qAt + head * ${constants.d}u`)}
  workgroupBarrier();
  ${constants.zero ? eachRow(constants, (r) => `let z_${r} = zeroLogits[query_${r} * u.heads + head];`) : ''}
  ${softmaxStart(constants, constants.zero ? (r) => `z_${r}` : undefined)}
  ${constants.values ? sums(constants, 'o') : ''}
  for (var start = 0u; start < keys; start += ${constants.columns}u) {
    workgroupBarrier();
    ${fillKeys(constants, 'k')}
    workgroupBarrier();
    ${products(constants, 's')}
    ${constants.values ? '' : eachProduct(constants, storeLogit)}
    ${softmaxStep(
      constants,
      (r, c) => `start + ${columnOf(c)} < seen_${r}`,
      constants.values ? fillKeys(constants, 'v') : '',
    )}
    ${constants.values ? eachQuad(constants, (r, q) => `o_${r}_${q} *= kept_${r};`) : ''}
    ${constants.values ? addWeighted(constants, 'o') : ''}
  }
  ${eachRow(
    constants,
    (r) => `
  if (there_${r} && across == 0u) {
    ${constants.values ? '' : `lse[query_${r} * u.heads + head] = m_${r} + log(l_${r});`}
    ${constants.zero ? `zero[query_${r} * u.heads + head] = exp(z_${r} - m_${r}) / l_${r};` : ''}
  }`,
  )}
  ${constants.values ? writeRows(constants, (r, q) => `o_${r}_${q} / l_${r}`) : ''}
}`,
};

const storeLogit = (r: number, c: number): string => `
if (there_${r} && start + ${columnOf(c)} < seen_${r}) {
  logits[logits_${r} + start + ${columnOf(c)}] = s_${r}_${c} * u.scale;
}`;

/** Writes the results of a thread's rows that are kept. */
const writeRows = (tile: Tile, value: (r: number, q: number) => string): string => `
${eachRow(tile, (r) => `let row_${r} = plan[u.rowAt + query_${r}];`)}
${eachQuad(
  tile,
  (r, q) => `
if (there_${r} && row_${r} >= 0 && ${hasQuad(tile, q)}) {
  write_out(u32(row_${r}) * u.width + head * ${tile.d}u, ${quadOf(q)}, ${value(r, q)});
}`,
)}`;

/** The sums of values by logits that are there. */
const weigh: Shader<Tile> = {
  name: 'values of strands',
  threads: THREADS,
  code: (tile) => `
${memory(tile)}
${reader(tile, 'v')}
${writer(tile, 'out')}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  ${queriesOf(tile)}
  ${eachRow(tile, (r) => `let lse_${r} = lse[query_${r} * u.heads + head];`)}
  ${sums(tile, 'o')}
  for (var start = 0u; start < keys; start += ${tile.columns}u) {
    workgroupBarrier();
    ${fillKeys(tile, 'v')}
    ${eachProduct(
      tile,
      (r, c) => `
    var p_${r}_${c} = 0.0;
    if (there_${r} && start + ${columnOf(c)} < seen_${r}) {
      p_${r}_${c} = exp(logits[logits_${r} + start + ${columnOf(c)}] - lse_${r});
    }`,
    )}
    ${setWeights(tile, (r, c) => `p_${r}_${c}`)}
    workgroupBarrier();
    ${addWeighted(tile, 'o')}
  }
  ${writeRows(tile, (r, q) => `o_${r}_${q}`)}
}`,
};

/** Some neighbouring columns of a tensor's rows, from `at` on. */
interface Columns {
  rows: Info;
  at: number;
}

/** Strides and first columns of inputs by name, and how their heads are read: four numbers at once if all are even. */
function layoutOf(columns: Record<string, Columns>, {width, heads}: {width: number; heads: number}) {
  const d = width / heads;
  const whole = Object.fromEntries(
    Object.entries(columns).flatMap(([name, {rows, at}]) => [
      [`${name}Stride`, rows.shape[1]!],
      [`${name}At`, at],
    ]),
  );
  const even = [d, ...Object.values(whole)].every((n) => n % 4 === 0);
  const element: Element = even ? 'vec4f' : 'f32';
  return {d, whole, element};
}

/** Attention over strands: with values their sums [N, D]; else the logits, and their log-sum-exps [N, H]. */
function attendTo(
  columns: {q: Columns; k: Columns; v?: Columns},
  zeroLogits: Info | undefined,
  attributes: StrandScoreAttributes,
  backend: WebGPUBackend,
) {
  const {heads, seen, width, scale} = attributes;
  const values = columns.v !== undefined;
  const {d, whole, element} = layoutOf(columns, attributes);
  const tile = tileFor(backend, d, mostQueries(attributes), WIDE, element);
  const N = seen.length;
  const {plan, tiles, whole: places} = planOf(backend, attributes, tile.rows);
  const {rowAt, ...always} = places;
  const zero = zeroLogits && output(backend, [N, heads]);
  const attended = values
    ? ([output(backend, [N, width])] as const)
    : ([output(backend, [logitCount(attributes)]), output(backend, [N, heads])] as const);
  const [first, lse] = attended;
  run(backend, attend, {
    constants: {...tile, zero: zeroLogits !== undefined, values},
    buffers: {
      ...Object.fromEntries(Object.entries(columns).map(([name, {rows}]) => [name, reads(rows, element)])),
      ...(zeroLogits && {zeroLogits: reads(zeroLogits)}),
      plan: reads(plan, 'i32'),
      ...(lse ? {logits: writes(first), lse: writes(lse)} : {out: writes(first, element)}),
      ...(zero && {zero: writes(zero)}),
    },
    whole: {heads, ...whole, ...always, ...(values && {rowAt, width})},
    real: {scale},
    groups: tiles * heads,
  });
  backend.disposeData(plan.dataId);
  return {first, lse, zero};
}

const values: Kernel<'ZttStrandValues'> = ({v, weights, sums}, attributes, backend) => {
  const {heads, width, vAt, kept} = attributes;
  const {d, whole, element} = layoutOf({v: {rows: v, at: vAt}}, attributes);
  const tile = tileFor(backend, d, mostQueries(attributes), WIDE, element);
  const out = output(backend, [kept.reduce((n, keep) => n + keep, 0), width]);
  const {plan, tiles, whole: places} = planOf(backend, attributes, tile.rows, kept);
  run(backend, weigh, {
    constants: tile,
    buffers: {
      v: reads(v, element),
      plan: reads(plan, 'i32'),
      logits: reads(weights),
      lse: reads(sums),
      out: writes(out, element),
    },
    whole: {heads, width, ...whole, ...places},
    groups: tiles * heads,
  });
  backend.disposeData(plan.dataId);
  return [out];
};

const scored = ({q, k}: {q: Info; k: Info}, {qAt, kAt}: StrandScoreAttributes) => ({
  q: {rows: q, at: qAt},
  k: {rows: k, at: kAt},
});

/** Attention over strands. Logits lie between its halves, and as `sums` their log-sum-exps. */
export const STRANDS = {
  ZttStrandAttention: (inputs, attributes, backend) => {
    const columns = {...scored(inputs, attributes), v: {rows: inputs.v, at: attributes.vAt}};
    const {first, zero} = attendTo(columns, inputs.zeroLogits, attributes, backend);
    return present(first, zero);
  },
  ZttStrandWeights: (inputs, attributes, backend) => {
    const columns = scored(inputs, attributes);
    const {first, lse, zero} = attendTo(columns, inputs.zeroLogits, attributes, backend);
    return present(first, lse!, zero);
  },
  ZttStrandValues: values,
} satisfies Kernels;
