import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import type {StrandAttributes} from '../../fused-attributes.js';
import {softmaxMemory, softmaxStart, softmaxStep} from './online-softmax.js';
import {output, reads, run, writes, type Element, type Info, type Shader} from './program.js';
import type {Attributes, Kernel} from './register.js';
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
  timesVector,
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
${constants.zero ? reader(constants, 'zeroKey') : ''}
fn main(group: u32, thread: u32) {
  ${PLACE}
  ${WHERE}
  ${queriesOf(constants)}
  ${fill(constants, 'left', 'q', 'row < count', `(first + row) * u.qStride + u.qAt + head * ${constants.d}u`)}
  workgroupBarrier();
  ${constants.zero ? timesVector(constants, 'z', 'zeroKey', `head * ${constants.d}u`) : ''}
  ${softmaxStart(constants, constants.zero ? (r) => `z_${r} * u.scale` : undefined)}
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
    ${constants.zero ? `zero[query_${r} * u.heads + head] = exp(z_${r} * u.scale - m_${r}) / l_${r};` : ''}
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

/** Strides and first columns of inputs by name, and how their heads are read: four numbers at once if all are even. */
function layoutOf(
  inputs: Record<string, Info>,
  attributes: StrandAttributes,
  names: readonly ('q' | 'k' | 'v')[],
) {
  const d = attributes.width / attributes.heads;
  const at = {q: attributes.qAt, k: attributes.kAt, v: attributes.vAt};
  const whole = Object.fromEntries(
    names.flatMap((name) => [
      [`${name}Stride`, inputs[name]!.shape[1]!],
      [`${name}At`, at[name]],
    ]),
  );
  const even = [d, ...Object.values(whole)].every((n) => n % 4 === 0);
  const element: Element = even ? 'vec4f' : 'f32';
  return {d, whole, element};
}

/** Attention over strands: with values their sums [N, D]; else the logits, and their log-sum-exps [N, H]. */
function attendTo(
  inputs: Record<string, Info>,
  attributes: StrandAttributes,
  backend: WebGPUBackend,
  values: boolean,
): Info[] {
  const {heads, seen, width, scale} = attributes;
  const {zeroKey} = inputs;
  const names = values ? (['q', 'k', 'v'] as const) : (['q', 'k'] as const);
  const {d, whole, element} = layoutOf(inputs, attributes, names);
  const tile = tileFor(backend, d, mostQueries(attributes), WIDE, element);
  const N = seen.length;
  const results: Record<string, Info> = values
    ? {out: output(backend, [N, width])}
    : {logits: output(backend, [logitCount(attributes)]), lse: output(backend, [N, heads])};
  if (zeroKey) results.zero = output(backend, [N, heads]);
  const {plan, tiles, whole: places} = planOf(backend, attributes, tile.rows);
  const {rowAt, ...always} = places;
  run(backend, attend, {
    constants: {...tile, zero: zeroKey !== undefined, values},
    buffers: {
      ...Object.fromEntries(names.map((name) => [name, reads(inputs[name]!, element)])),
      ...(zeroKey && {zeroKey: reads(zeroKey, element)}),
      plan: reads(plan, 'i32'),
      ...Object.fromEntries(
        Object.entries(results).map(([name, info]) => [name, writes(info, name === 'out' ? element : 'f32')]),
      ),
    },
    whole: {heads, ...whole, ...always, ...(values && {rowAt, width})},
    real: {scale},
    groups: tiles * heads,
  });
  backend.disposeData(plan.dataId);
  return Object.values(results);
}

const values: Kernel = (inputs, given, backend) => {
  const attributes = given as unknown as StrandAttributes & {kept: Int32Array};
  const {heads, width, kept} = attributes;
  const {v, weights, inverse} = inputs as Record<'v' | 'weights' | 'inverse', Info>;
  const {d, whole, element} = layoutOf(inputs, attributes, ['v']);
  const tile = tileFor(backend, d, mostQueries(attributes), WIDE, element);
  const out = output(backend, [kept.reduce((n, keep) => n + keep, 0), width]);
  const {plan, tiles, whole: places} = planOf(backend, attributes, tile.rows, kept);
  run(backend, weigh, {
    constants: tile,
    buffers: {
      v: reads(v, element),
      plan: reads(plan, 'i32'),
      logits: reads(weights),
      lse: reads(inverse),
      out: writes(out, element),
    },
    whole: {heads, width, ...whole, ...places},
    groups: tiles * heads,
  });
  backend.disposeData(plan.dataId);
  return out;
};

const strandsOf = (attributes: Attributes) => attributes as unknown as StrandAttributes;

/** Attention over strands. What lies between its halves is logits, and log-sum-exps for what native calls `inverse`. */
export const STRANDS: Record<string, Kernel> = {
  ZttStrandAttention: (inputs, attributes, backend) => attendTo(inputs, strandsOf(attributes), backend, true),
  ZttStrandWeights: (inputs, attributes, backend) => attendTo(inputs, strandsOf(attributes), backend, false),
  ZttStrandValues: values,
};
