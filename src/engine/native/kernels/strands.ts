import type {Grouping, KernelName, KernelTable, StrandScoreAttributes, StrandView} from '../../contract.js';
import {present} from '../../register.js';
import type {NativeBackend} from '../backend.js';
import type {Arguments} from '../calls.js';
import {maybe, NO_WINDOW, require} from './fused.js';
import type {FusedKernel, Info} from './register.js';

/** A weight row's columns: `kWeightColumns` in native/src/kernels/ops.h. */
const WEIGHT_COLUMNS = 16;

/** Memory from a column of a tensor's rows on, and how far its rows lie apart. */
function columns(info: Info, at: number, width: number, backend: NativeBackend) {
  const stride = info.shape[1]!;
  require(at >= 0 && at + width <= stride, `columns ${at} to ${at + width} of ${stride}`);
  return {stride, memory: backend.floats(info).subarray(at)};
}

function strandsOf(view: StrandView & Grouping, scale = 1) {
  const {heads, kvHeads, window, strands, ranges, seen, width} = view;
  require(width % heads === 0 &&
    heads % kvHeads === 0, `${width} columns in ${heads} heads, ${kvHeads} of keys`);
  return {
    ...{queries: seen.length, heads, kvHeads, size: width / heads, window: window ?? NO_WINDOW, scale},
    ...{strands, ranges, seen},
  };
}

/** Columns of k and of v. */
const kvWidth = ({width, heads, kvHeads}: StrandView & Grouping): number => (width / heads) * kvHeads;

function scoresOf(
  inputs: {q: Info; k: Info; zeroLogits?: Info},
  attributes: StrandScoreAttributes & Grouping,
  backend: NativeBackend,
): Omit<Arguments<'strandWeights'>, 'weights' | 'inverse' | 'zero'> {
  const {qAt, kAt, width, scale} = attributes;
  const q = columns(inputs.q, qAt, width, backend);
  const k = columns(inputs.k, kAt, kvWidth(attributes), backend);
  return {
    ...strandsOf(attributes, scale),
    keyRows: inputs.k.shape[0]!,
    qStride: q.stride,
    q: q.memory,
    kStride: k.stride,
    k: k.memory,
    zeroLogits: maybe(backend, inputs.zeroLogits),
  };
}

const attention: FusedKernel<'ZttGroupedStrandAttention'> = (inputs, attributes, backend) => {
  const {heads, vAt, width, seen} = attributes;
  const out = backend.output([seen.length, width]);
  const inverse = backend.output([seen.length, heads]);
  const zero = inputs.zeroLogits && backend.output([seen.length, heads]);
  const v = columns(inputs.v, vAt, kvWidth(attributes), backend);
  backend.binding.strandAttention({
    ...scoresOf(inputs, attributes, backend),
    vStride: v.stride,
    v: v.memory,
    out: backend.floats(out),
    inverse: backend.floats(inverse),
    zero: maybe(backend, zero),
  });
  backend.disposeData(inverse.dataId);
  return present(out, zero);
};

const weights: FusedKernel<'ZttGroupedStrandWeights'> = (inputs, attributes, backend) => {
  const {heads, seen} = attributes;
  const out = backend.output([weightsSize(attributes)]);
  const inverse = backend.output([seen.length, heads]);
  const zero = inputs.zeroLogits && backend.output([seen.length, heads]);
  backend.binding.strandWeights({
    ...scoresOf(inputs, attributes, backend),
    weights: backend.floats(out),
    inverse: backend.floats(inverse),
    zero: maybe(backend, zero),
  });
  return present(out, inverse, zero);
};

const values: FusedKernel<'ZttGroupedStrandValues'> = (inputs, attributes, backend) => {
  const {vAt, width, kept} = attributes;
  const out = backend.output([kept.reduce((n, keep) => n + keep, 0), width]);
  const v = columns(inputs.v, vAt, kvWidth(attributes), backend);
  backend.binding.strandValues({
    ...strandsOf(attributes),
    valueRows: inputs.v.shape[0]!,
    vStride: v.stride,
    v: v.memory,
    kept,
    weights: backend.floats(inputs.weights),
    inverse: backend.floats(inputs.sums),
    out: backend.floats(out),
  });
  return [out];
};

/** Every head has keys of its own, and sees all of them. */
const plain = <A extends StrandView>(attributes: A): A & Grouping => ({
  ...attributes,
  kvHeads: attributes.heads,
  window: null,
});

/** Floats in the weights of all strands. */
function weightsSize({heads, strands, ranges}: StrandView): number {
  let [size, range] = [0, 0];
  for (let i = 0; i < strands.length; i += 2) {
    let keys = 0;
    for (const end = range + strands[i + 1]!; range < end; range++) keys += ranges[2 * range + 1]!;
    size += strands[i]! * heads * Math.ceil(keys / WEIGHT_COLUMNS) * WEIGHT_COLUMNS;
  }
  return size;
}

/** Writes columns of rows into a pool [capacity, width], from a row on: in place. */
const appendRows: FusedKernel<'ZttAppendRows'> = ({pool, rows}, {at, from}, backend) => {
  const [capacity, width] = pool.shape as [number, number];
  const [count, stride] = rows.shape as [number, number];
  require(at + count <= capacity, `${count} rows at ${at} of ${capacity}`);
  require(from + width <= stride, `${width} columns from ${from} of ${stride}`);
  const block = [1, 1, count, width, 0, 0, stride, 1, 0, 0, width, 1, from, at * width];
  backend.binding.copy({
    block: Float64Array.from(block),
    x: backend.floats(rows),
    y: backend.floatsInPlace(pool),
  });
  return [];
};

/** Attention over strands, and the rows of a cache. */
export const STRANDS = {
  ZttStrandAttention: (inputs, attributes, backend) => attention(inputs, plain(attributes), backend),
  ZttStrandWeights: (inputs, attributes, backend) => weights(inputs, plain(attributes), backend),
  ZttStrandValues: (inputs, attributes, backend) => values(inputs, plain(attributes), backend),
  ZttGroupedStrandAttention: attention,
  ZttGroupedStrandWeights: weights,
  ZttGroupedStrandValues: values,
  ZttAppendRows: appendRows,
} satisfies Partial<KernelTable<KernelName, Info, NativeBackend>>;
