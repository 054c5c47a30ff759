import type {AttentionAttributes, KernelName, KernelTable, Projected} from '../../contract.js';
import {sizeOf, type NativeBackend} from '../backend.js';
import type {Arguments} from '../calls.js';
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

/** q, k and v of their own, or as the thirds of qkv's last axis. */
interface Attended {
  parts: Info[];
  batch: number;
  heads: number;
  tokens: number;
  shared: Omit<Arguments<'attention'>, 'out' | 'lse' | 'zero'>;
}

function attended(
  inputs: Projected<Info> & {zeroLogits?: Info},
  {heads, scale}: AttentionAttributes,
  backend: NativeBackend,
): Attended {
  const parts = 'qkv' in inputs ? [inputs.qkv] : [inputs.q, inputs.k, inputs.v];
  const [batch, tokens, stride] = parts[0]!.shape as [number, number, number];
  const width = parts.length === 1 ? stride / 3 : stride;
  require(width % heads === 0, `[${parts[0]!.shape.join()}] in ${heads} heads`);
  const [q, k, v] = thirds(parts, width, backend);
  const zeroLogits = maybe(backend, inputs.zeroLogits);
  const shared = {batch, tokens, heads, size: width / heads, stride, q: q!, k: k!, v: v!, zeroLogits, scale};
  return {parts, batch, heads, tokens, shared};
}

/** The memory of q, k and v: of one tensor each, or of one tensor from its third's start on. */
function thirds(parts: Info[], width: number, backend: NativeBackend): Float32Array[] {
  if (parts.length === 3) return parts.map((part) => backend.floats(part));
  const all = backend.floats(parts[0]!);
  return [all, all.subarray(width), all.subarray(2 * width)];
}

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

const attention: FusedKernel<'ZttAttention'> = (inputs, attributes, backend) => {
  const {parts, batch, heads, tokens, shared} = attended(inputs, attributes, backend);
  const width = heads * shared.size;
  const out = backend.output([batch, tokens, width]);
  const lse = backend.output([batch, heads, tokens]);
  const zero = inputs.zeroLogits && backend.output([batch, heads, tokens]);
  require(parts.every(({shape}) => shape.join() === parts[0]!.shape.join()), 'q, k and v');
  backend.binding.attention({
    ...shared,
    out: backend.floats(out),
    lse: backend.floats(lse),
    zero: maybe(backend, zero),
  });
  return present(out, lse, zero);
};

const attentionGradient: FusedKernel<'ZttAttentionGradient'> = (inputs, attributes, backend) => {
  const {parts, shared} = attended(inputs, attributes, backend);
  const {zeroLogits, out, lse, dy} = inputs;
  const grads = parts.map(({shape}) => backend.output(shape));
  const [dq, dk, dv] = thirds(grads, shared.heads * shared.size, backend);
  const dZero = zeroLogits ? [backend.output(zeroLogits.shape)] : [];
  backend.binding.attentionGrad({
    ...shared,
    out: backend.floats(out),
    lse: backend.floats(lse),
    outGrad: backend.floats(dy),
    qGrad: dq!,
    kGrad: dk!,
    vGrad: dv!,
    zeroGrad: maybe(backend, dZero[0]),
  });
  return [...grads, ...dZero];
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
  ZttAttention: attention,
  ZttAttentionGradient: attentionGradient,
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
