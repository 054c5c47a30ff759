import type {AttentionAttributes, Grouping, KernelName, KernelTable, Projected} from '../../contract.js';
import {sizeOf, type NativeBackend} from '../backend.js';
import {present} from '../../register.js';
import type {FusedKernel, Info} from './register.js';

/** Rows of logits at a time, at least: the head's products are slow on fewer. */
const HEAD_ROWS = 256;
/** Logits at a time that a machine's caches have some use for. */
const HEAD_LOGITS = 1 << 22;

/** Null for a tensor that is not given, else its memory. */
export const maybe = (backend: NativeBackend, info: Info | undefined): Float32Array | null =>
  info ? backend.floats(info) : null;

export function require(fits: boolean, what: string): void {
  if (!fits) throw new RangeError(`the shapes do not fit: ${what}`);
}

const linear: FusedKernel<'ZttLinear'> = ({x, weight, bias}, attributes, backend) => {
  const {transpose, activation, keep, from = 0} = attributes;
  const [m, k] = x.shape as [number, number];
  const [rows, columns] = weight.shape as [number, number];
  const {outputs: n = transpose ? rows : columns} = attributes;
  require(k === (transpose ? columns : rows), `[${x.shape.join()}] by [${weight.shape.join()}]`);
  require(from >= 0 && from + n <= (transpose ? rows : columns), `outputs ${from} to ${from + n}`);
  const y = backend.output([m, n]);
  const before = keep ? backend.output([m, n]) : undefined;
  backend.binding.linear({
    transposeW: transpose,
    m,
    n,
    k,
    x: backend.floats(x),
    w: backend.floats(weight).subarray(transpose ? from * k : from),
    strideW: columns,
    bias: maybe(backend, bias)?.subarray(from) ?? null,
    activation: activation ?? 'none',
    y: backend.floats(y),
    before: maybe(backend, before),
  });
  return present(y, before);
};

const layerNorm: FusedKernel<'ZttLayerNorm'> = ({x, weight, bias}, {epsilon}, backend) => {
  const n = x.shape.at(-1)!;
  const rows = sizeOf(x.shape) / n;
  const y = backend.output(x.shape);
  const stats = backend.output([rows, 2]);
  backend.binding.layerNorm({
    rows,
    n,
    x: backend.floats(x),
    weight: maybe(backend, weight),
    bias: maybe(backend, bias),
    epsilon,
    y: backend.floats(y),
    stats: backend.floats(stats),
  });
  return [y, stats];
};

const layerNormGradient: FusedKernel<'ZttLayerNormGradient'> = (inputs, attributes, backend) => {
  const {x, stats, weight, dy} = inputs;
  const n = x.shape.at(-1)!;
  const dx = backend.output(x.shape);
  const wanted = weight !== undefined && attributes.affine;
  const dWeight = wanted ? backend.output([n]) : undefined;
  const dBias = wanted ? backend.output([n]) : undefined;
  backend.binding.layerNormGrad({
    rows: sizeOf(x.shape) / n,
    n,
    x: backend.floats(x),
    stats: backend.floats(stats),
    weight: maybe(backend, weight),
    dy: backend.floats(dy),
    dx: backend.floats(dx),
    weightGrad: maybe(backend, dWeight),
    biasGrad: maybe(backend, dBias),
  });
  return present(dx, dWeight, dBias);
};

/** The sizes of zero logits: those of rows are those of sequences of one token. */
function zeroSizes(q: Info, zeroKey: Info, at: number, scale: number) {
  const [heads, size] = zeroKey.shape as [number, number];
  const stride = q.shape.at(-1)!;
  require(at >= 0 && at + heads * size <= stride, `columns ${at} to ${at + heads * size} of ${stride}`);
  const [batch, tokens] = q.shape.length === 3 ? (q.shape as [number, number]) : [q.shape[0]!, 1];
  return {batch, tokens, heads, size, stride, scale};
}

const zeroLogits: FusedKernel<'ZttZeroLogits'> = ({q, zeroKey}, {scale, at}, backend) => {
  const sizes = zeroSizes(q, zeroKey, at, scale);
  const {batch, heads, tokens} = sizes;
  const logits = backend.output(q.shape.length === 3 ? [batch, heads, tokens] : [batch, heads]);
  backend.binding.zeroLogits({
    ...sizes,
    q: backend.floats(q).subarray(at),
    zeroKey: backend.floats(zeroKey),
    logits: backend.floats(logits),
  });
  return [logits];
};

const zeroLogitsGradient: FusedKernel<'ZttZeroLogitsGradient'> = (inputs, {scale}, backend) => {
  const {q, zeroKey, dLogits, dq} = inputs;
  const dKey = backend.output(zeroKey.shape);
  backend.binding.zeroLogitsGrad({
    ...zeroSizes(q, zeroKey, 0, scale),
    q: backend.floats(q),
    zeroKey: backend.floats(zeroKey),
    logitsGrad: backend.floats(dLogits),
    qGrad: backend.floatsInPlace(dq),
    zeroGrad: backend.floats(dKey),
  });
  return [dKey];
};

/** A window that every key is in. */
export const NO_WINDOW = 2 ** 40;

type Queries = Projected<Info> & {zeroLogits?: Info};

/** q, k and v, or their gradients: tensors of their own, or parts of one tensor's rows. */
function separated(
  projected: Projected<Info>,
  widths: {q: number; kv: number},
  backend: NativeBackend,
): {q: Float32Array; k: Float32Array; v: Float32Array} {
  if (!('qkv' in projected)) {
    const {q, k, v} = projected;
    return {q: backend.floats(q), k: backend.floats(k), v: backend.floats(v)};
  }
  const all = backend.floats(projected.qkv);
  return {q: all, k: all.subarray(widths.q), v: all.subarray(widths.q + widths.kv)};
}

/** What attention and its gradient share. */
function attended(
  inputs: Queries,
  {heads, scale, kvHeads, window}: AttentionAttributes & Grouping,
  backend: NativeBackend,
) {
  const packed = 'qkv' in inputs;
  const [batch, tokens, qStride] = (packed ? inputs.qkv : inputs.q).shape as [number, number, number];
  const kvStride = packed ? qStride : inputs.k.shape[2]!;
  const size = packed ? qStride / (heads + 2 * kvHeads) : qStride / heads;
  require(Number.isInteger(size) &&
    Number.isInteger(heads / kvHeads), `${qStride} columns in ${heads} heads`);
  const widths = {q: heads * size, kv: kvHeads * size};
  if (!packed) {
    const expected = [batch, tokens, widths.kv].join();
    require([inputs.k, inputs.v].every(({shape}) => shape.join() === expected), `k and v of [${expected}]`);
  }
  const {q, k, v} = separated(inputs, widths, backend);
  const zeroLogits = maybe(backend, inputs.zeroLogits);
  const shared = {
    ...{batch, tokens, heads, kvHeads, size, window: window ?? NO_WINDOW},
    ...{qStride, q, kvStride, k, v, zeroLogits, scale},
  };
  return {widths, shared};
}

function attend(
  inputs: Queries,
  attributes: AttentionAttributes & Grouping,
  backend: NativeBackend,
): [Info, Info, Info?] {
  const {widths, shared} = attended(inputs, attributes, backend);
  const {batch, heads, tokens} = shared;
  const out = backend.output([batch, tokens, widths.q]);
  const lse = backend.output([batch, heads, tokens]);
  const zero = inputs.zeroLogits && backend.output([batch, heads, tokens]);
  backend.binding.attention({
    ...shared,
    out: backend.floats(out),
    lse: backend.floats(lse),
    zero: maybe(backend, zero),
  });
  return present(out, lse, zero);
}

/** The gradients by the projections, and the one by the zero logits if there are any. */
function attentionGradients<P extends Projected<Info>>(
  inputs: P & Queries & Record<'out' | 'lse' | 'dy', Info>,
  projections: P,
  attributes: AttentionAttributes & Grouping,
  backend: NativeBackend,
): {gradients: P; dZero?: Info} {
  const {widths, shared} = attended(inputs, attributes, backend);
  const gradients = Object.fromEntries(
    Object.entries<Info>(projections).map(([name, {shape}]) => [name, backend.output(shape)]),
  ) as P;
  const dZero = inputs.zeroLogits && backend.output(inputs.zeroLogits.shape);
  const {q, k, v} = separated(gradients, widths, backend);
  backend.binding.attentionGrad({
    ...shared,
    out: backend.floats(inputs.out),
    lse: backend.floats(inputs.lse),
    outGrad: backend.floats(inputs.dy),
    qGrad: q,
    kGrad: k,
    vGrad: v,
    zeroGrad: maybe(backend, dZero),
  });
  return {gradients, dZero};
}

/** Every head has keys of its own, and sees all of them. */
const plain = (attributes: AttentionAttributes) => ({...attributes, kvHeads: attributes.heads, window: null});

const attentionGradient: FusedKernel<'ZttAttentionGradient'> = (inputs, attributes, backend) => {
  const projections: Projected<Info> =
    'qkv' in inputs ? {qkv: inputs.qkv} : {q: inputs.q, k: inputs.k, v: inputs.v};
  const {gradients, dZero} = attentionGradients(inputs, projections, plain(attributes), backend);
  return [...Object.values<Info>(gradients), ...(dZero ? [dZero] : [])];
};

const groupedAttentionGradient: FusedKernel<'ZttGroupedAttentionGradient'> = (
  inputs,
  attributes,
  backend,
) => {
  const {q, k, v} = inputs;
  const {gradients, dZero} = attentionGradients(inputs, {q, k, v}, attributes, backend);
  return present(gradients.q, gradients.k, gradients.v, dZero);
};

const rmsNorm: FusedKernel<'ZttRmsNorm'> = ({x, weight}, {epsilon, offset}, backend) => {
  const n = x.shape.at(-1)!;
  const rows = sizeOf(x.shape) / n;
  const [y, stats] = [backend.output(x.shape), backend.output([rows])];
  backend.binding.rmsNorm({
    rows,
    n,
    x: backend.floats(x),
    weight: backend.floats(weight),
    offset,
    epsilon,
    y: backend.floats(y),
    stats: backend.floats(stats),
  });
  return [y, stats];
};

const rmsNormGradient: FusedKernel<'ZttRmsNormGradient'> = (inputs, {offset, trained}, backend) => {
  const {x, stats, weight, dy} = inputs;
  const n = x.shape.at(-1)!;
  const dx = backend.output(x.shape);
  const dWeight = trained ? backend.output([n]) : undefined;
  backend.binding.rmsNormGrad({
    rows: sizeOf(x.shape) / n,
    n,
    x: backend.floats(x),
    stats: backend.floats(stats),
    weight: backend.floats(weight),
    offset,
    dy: backend.floats(dy),
    dx: backend.floats(dx),
    weightGrad: maybe(backend, dWeight),
  });
  return present(dx, dWeight);
};

const rotate: FusedKernel<'ZttRotate'> = ({x, cos, sin}, {headSize, back}, backend) => {
  const [places, half] = cos.shape as [number, number];
  const width = x.shape.at(-1)!;
  const rows = sizeOf(x.shape) / width;
  require(width % headSize === 0 && rows % places === 0, `[${x.shape.join()}] at ${places} places`);
  const y = backend.output(x.shape);
  backend.binding.rotate({
    rows,
    places,
    heads: width / headSize,
    size: headSize,
    half,
    x: backend.floats(x),
    cosines: backend.floats(cos),
    sines: backend.floats(sin),
    back,
    y: backend.floats(y),
  });
  return [y];
};

const tokenScores: FusedKernel<'ZttTokenScores'> = ({logits, targets, rows}, _attributes, backend) => {
  const [count, n] = logits.shape as [number, number];
  const found = backend.output(targets.shape);
  const best = new Int32Array(count);
  backend.binding.tokenScores({
    rows: count,
    n,
    logits: backend.floats(logits),
    places: backend.ints(rows),
    targets: backend.ints(targets),
    logProbabilities: backend.floats(found),
    best,
  });
  return [found, backend.makeTensorInfo([count], 'int32', best)];
};

const headLoss: FusedKernel<'ZttHeadLoss'> = (inputs, {gradient, weightGradient}, backend) => {
  const {state, weight, targets, weights} = inputs;
  const [rows, width] = state.shape as [number, number];
  const [vocabulary, columns] = weight.shape as [number, number];
  require(width === columns, `[${state.shape.join()}] by [${weight.shape.join()}]`);
  const chunk = Math.min(rows, Math.max(HEAD_ROWS, Math.floor(HEAD_LOGITS / vocabulary)));
  const loss = backend.output([]);
  const dState = gradient ? backend.output(state.shape) : undefined;
  const dWeight = weightGradient ? backend.output(weight.shape) : undefined;
  backend.withScratch(chunk * vocabulary, (logits) => {
    backend.floats(loss)[0] = backend.binding.headLoss({
      rows,
      width,
      vocabulary,
      chunk,
      state: backend.floats(state),
      weight: backend.floats(weight),
      targets: backend.ints(targets),
      rowWeights: backend.floats(weights),
      logits,
      stateGrad: maybe(backend, dState),
      weightGrad: maybe(backend, dWeight),
    });
  });
  return present(loss, dState, dWeight);
};

/** The kernels of the contract, but for those over strands. */
export const FUSED = {
  ZttLinear: linear,
  ZttActivation: ({x}, {activation}, backend) => {
    const y = backend.output(x.shape);
    backend.binding.unary({op: activation, x: backend.floats(x), y: backend.floats(y)});
    return [y];
  },
  ZttActivationGradient: ({x, dy}, {activation}, backend) => {
    const dx = backend.output(x.shape);
    backend.binding.activationGrad({
      activation,
      z: backend.floats(x),
      dy: backend.floats(dy),
      dz: backend.floats(dx),
    });
    return [dx];
  },
  ZttColumnSums: ({x}, _attributes, backend) => {
    const [rows, n] = x.shape as [number, number];
    const y = backend.output([n]);
    backend.binding.columnSums({rows, n, x: backend.floats(x), y: backend.floats(y)});
    return [y];
  },
  ZttLayerNorm: layerNorm,
  ZttLayerNormGradient: layerNormGradient,
  ZttZeroLogits: zeroLogits,
  ZttZeroLogitsGradient: zeroLogitsGradient,
  ZttAttention: (inputs, attributes, backend) => attend(inputs, plain(attributes), backend),
  ZttAttentionGradient: attentionGradient,
  ZttGroupedAttention: attend,
  ZttGroupedAttentionGradient: groupedAttentionGradient,
  ZttRmsNorm: rmsNorm,
  ZttRmsNormGradient: rmsNormGradient,
  ZttRotate: rotate,
  ZttGated: ({gate, up}, {activation}, backend) => {
    const y = backend.output(gate.shape);
    backend.binding.gated({
      activation,
      gate: backend.floats(gate),
      up: backend.floats(up),
      y: backend.floats(y),
    });
    return [y];
  },
  ZttGatedGradient: ({gate, up, dy}, {activation}, backend) => {
    const [dGate, dUp] = [backend.output(gate.shape), backend.output(up.shape)];
    backend.binding.gatedGrad({
      activation,
      gate: backend.floats(gate),
      up: backend.floats(up),
      dy: backend.floats(dy),
      gateGrad: backend.floats(dGate),
      upGrad: backend.floats(dUp),
    });
    return [dGate, dUp];
  },
  ZttHeadLoss: headLoss,
  ZttTokenScores: tokenScores,
  ZttSumSquares: ({x}, _attributes, backend) => {
    const y = backend.output([]);
    backend.floats(y)[0] = backend.binding.sumSquares({x: backend.floats(x)});
    return [y];
  },
  ZttAdamW: ({parameter, mean, square, gradient, factor}, attributes, backend) => {
    const {scale, rate, beta1, beta2, epsilon, squareCorrection, decay} = attributes;
    backend.binding.adamW({
      parameter: backend.floatsInPlace(parameter),
      mean: backend.floatsInPlace(mean),
      square: backend.floatsInPlace(square),
      gradient: backend.floats(gradient),
      options: Float32Array.of(
        factor ? backend.floats(factor)[0]! : scale,
        rate,
        beta1,
        beta2,
        epsilon,
        squareCorrection,
        decay,
      ),
    });
    return [];
  },
} satisfies Partial<KernelTable<KernelName, Info, NativeBackend>>;
