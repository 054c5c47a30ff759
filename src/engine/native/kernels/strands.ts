import type {StrandAttributes} from '../../fused-attributes.js';
import type {NativeBackend} from '../backend.js';
import type {ScoreArguments, StrandArguments} from '../binding.js';
import {maybe, require} from './fused.js';
import type {Attributes, Info, Kernel} from './register.js';

/** A weight row's columns: `kWeightColumns` in native/src/kernels/ops.h. */
const WEIGHT_COLUMNS = 16;

/** Memory from a column of a tensor's rows on, and how far its rows lie apart. */
function columns(info: Info, at: number, width: number, backend: NativeBackend): [number, Float32Array] {
  const stride = info.shape[1]!;
  require(at >= 0 && at + width <= stride, `columns ${at} to ${at + width} of ${stride}`);
  return [stride, backend.floats(info).subarray(at)];
}

function strandsOf(attributes: Attributes): StrandArguments {
  const {heads, scale, strands, ranges, seen, width} = attributes as unknown as StrandAttributes;
  require(width % heads === 0, `${width} columns in ${heads} heads`);
  return [seen.length, heads, width / heads, scale, strands, ranges, seen];
}

function scoresOf(
  inputs: Record<string, Info>,
  attributes: Attributes,
  backend: NativeBackend,
): ScoreArguments {
  const {qAt, kAt, width} = attributes as unknown as StrandAttributes;
  const [qStride, q] = columns(inputs.q!, qAt, width, backend);
  const [kStride, k] = columns(inputs.k!, kAt, width, backend);
  return [inputs.k!.shape[0]!, qStride, q, kStride, k, maybe(backend, inputs.zeroKey)];
}

const attention: Kernel = (inputs, attributes, backend) => {
  const {heads, vAt, width, seen} = attributes as unknown as StrandAttributes;
  const out = backend.output([seen.length, width]);
  const inverse = backend.output([seen.length, heads]);
  const zero = inputs.zeroKey ? [backend.output([seen.length, heads])] : [];
  backend.binding.strandAttention(
    ...strandsOf(attributes),
    ...scoresOf(inputs, attributes, backend),
    ...columns(inputs.v!, vAt, width, backend),
    backend.floats(out),
    backend.floats(inverse),
    maybe(backend, zero[0]),
  );
  backend.disposeData(inverse.dataId);
  return [out, ...zero];
};

const weights: Kernel = (inputs, attributes, backend) => {
  const {heads, seen} = attributes as unknown as StrandAttributes;
  const out = backend.output([weightsSize(attributes as unknown as StrandAttributes)]);
  const inverse = backend.output([seen.length, heads]);
  const zero = inputs.zeroKey ? [backend.output([seen.length, heads])] : [];
  backend.binding.strandWeights(
    ...strandsOf(attributes),
    ...scoresOf(inputs, attributes, backend),
    backend.floats(out),
    backend.floats(inverse),
    maybe(backend, zero[0]),
  );
  return [out, inverse, ...zero];
};

const values: Kernel = (inputs, attributes, backend) => {
  const {vAt, width} = attributes as unknown as StrandAttributes;
  const {kept} = attributes as unknown as {kept: Int32Array};
  const out = backend.output([kept.reduce((n, keep) => n + keep, 0), width]);
  backend.binding.strandValues(
    ...strandsOf(attributes),
    inputs.v!.shape[0]!,
    ...columns(inputs.v!, vAt, width, backend),
    kept,
    backend.floats(inputs.weights!),
    backend.floats(inputs.inverse!),
    backend.floats(out),
  );
  return out;
};

/** Floats in the weights of all strands. */
function weightsSize({heads, strands, ranges}: StrandAttributes): number {
  let [size, range] = [0, 0];
  for (let i = 0; i < strands.length; i += 2) {
    let keys = 0;
    for (const end = range + strands[i + 1]!; range < end; range++) keys += ranges[2 * range + 1]!;
    size += strands[i]! * heads * Math.ceil(keys / WEIGHT_COLUMNS) * WEIGHT_COLUMNS;
  }
  return size;
}

/** Writes columns of rows into a pool [capacity, width], from a row on: in place. */
const appendRows: Kernel = ({pool, rows}, {at, from}, backend) => {
  const [capacity, width] = pool!.shape as [number, number];
  const [count, stride] = rows!.shape as [number, number];
  require((at as number) + count <= capacity, `${count} rows at ${String(at)} of ${capacity}`);
  require((from as number) + width <= stride, `${width} columns from ${String(from)} of ${stride}`);
  const block = [1, 1, count, width, 0, 0, stride, 1, 0, 0, width, 1, from as number, (at as number) * width];
  backend.binding.copy(Float64Array.from(block), backend.floats(rows!), backend.floatsInPlace(pool!));
  return [];
};

/** Attention over strands, and the rows of a cache. */
export const STRANDS: Record<string, Kernel> = {
  ZttStrandAttention: attention,
  ZttStrandWeights: weights,
  ZttStrandValues: values,
  ZttAppendRows: appendRows,
};
