import type {ActivationName, LinearAttributes} from '../../fused-attributes.js';
import {sizeOf, type NativeBackend} from '../backend.js';
import {ACTIVATION, UNARY, type AttentionArguments} from '../binding.js';
import type {Info, Kernel} from './register.js';

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

/** `from` and `outputs`: which outputs are wanted, all unless given. */
const linear: Kernel = (inputs, attributes, backend) => {
  const {x, weight, bias} = inputs as {x: Info; weight: Info; bias?: Info};
  const {transpose, activation, keep, from = 0} = attributes as unknown as LinearAttributes;
  const [m, k] = x.shape as [number, number];
  const [rows, columns] = weight.shape as [number, number];
  const {outputs: n = transpose ? rows : columns} = attributes as unknown as LinearAttributes;
  require(k === (transpose ? columns : rows), `[${x.shape.join()}] by [${weight.shape.join()}]`);
  require(from >= 0 && from + n <= (transpose ? rows : columns), `outputs ${from} to ${from + n}`);
  const y = backend.output([m, n]);
  const before = keep ? backend.output([m, n]) : undefined;
  backend.binding.linear(
    Boolean(transpose),
    m,
    n,
    k,
    backend.floats(x),
    backend.floats(weight).subarray(transpose ? from * k : from),
    columns,
    maybe(backend, bias)?.subarray(from) ?? null,
    ACTIVATION[activation ?? 'none'],
    backend.floats(y),
    maybe(backend, before),
  );
  return before ? [y, before] : [y];
};

const layerNorm: Kernel = (inputs, {epsilon}, backend) => {
  const {x, weight, bias} = inputs as {x: Info; weight?: Info; bias?: Info};
  const n = x.shape.at(-1)!;
  const rows = sizeOf(x.shape) / n;
  const y = backend.output(x.shape);
  const stats = backend.output([rows, 2]);
  backend.binding.layerNorm(
    rows,
    n,
    backend.floats(x),
    maybe(backend, weight),
    maybe(backend, bias),
    epsilon as number,
    backend.floats(y),
    backend.floats(stats),
  );
  return [y, stats];
};

const layerNormGradient: Kernel = (inputs, attributes, backend) => {
  const {x, stats, weight, dy} = inputs as {x: Info; stats: Info; weight?: Info; dy: Info};
  const n = x.shape.at(-1)!;
  const dx = backend.output(x.shape);
  const affine = weight && attributes.affine ? [backend.output([n]), backend.output([n])] : [];
  backend.binding.layerNormGrad(
    sizeOf(x.shape) / n,
    n,
    backend.floats(x),
    backend.floats(stats),
    maybe(backend, weight),
    backend.floats(dy),
    backend.floats(dx),
    maybe(backend, affine[0]),
    maybe(backend, affine[1]),
  );
  return [dx, ...affine];
};

/** q, k and v of their own, or as the thirds of qkv's last axis. */
interface Attended {
  parts: Info[];
  batch: number;
  heads: number;
  tokens: number;
  shared: AttentionArguments;
}

function attended(inputs: Record<string, Info>, attributes: Record<string, unknown>, backend: NativeBackend) {
  const {heads, scale} = attributes as {heads: number; scale: number};
  const parts = inputs.qkv ? [inputs.qkv] : [inputs.q!, inputs.k!, inputs.v!];
  const [batch, tokens, stride] = parts[0]!.shape as [number, number, number];
  const width = parts.length === 1 ? stride / 3 : stride;
  require(width % heads === 0, `[${parts[0]!.shape.join()}] in ${heads} heads`);
  const [q, k, v] = thirds(parts, width, backend);
  const zero = maybe(backend, inputs.zeroKey);
  const shared: AttentionArguments = [batch, tokens, heads, width / heads, stride, q!, k!, v!, zero, scale];
  return {parts, batch, heads, tokens, shared} satisfies Attended;
}

/** The memory of q, k and v: of one tensor each, or of one tensor from its third's start on. */
function thirds(parts: Info[], width: number, backend: NativeBackend): Float32Array[] {
  if (parts.length === 3) return parts.map((part) => backend.floats(part));
  const all = backend.floats(parts[0]!);
  return [all, all.subarray(width), all.subarray(2 * width)];
}

const attention: Kernel = (inputs, attributes, backend) => {
  const {parts, batch, heads, tokens, shared} = attended(inputs, attributes, backend);
  const width = heads * shared[3];
  const out = backend.output([batch, tokens, width]);
  const lse = backend.output([batch, heads, tokens]);
  const zero = inputs.zeroKey ? [backend.output([batch, heads, tokens])] : [];
  require(parts.every(({shape}) => shape.join() === parts[0]!.shape.join()), 'q, k and v');
  backend.binding.attention(...shared, backend.floats(out), backend.floats(lse), maybe(backend, zero[0]));
  return [out, lse, ...zero];
};

const attentionGradient: Kernel = (inputs, attributes, backend) => {
  const {parts, shared} = attended(inputs, attributes, backend);
  const {zeroKey, out, lse, dy} = inputs as {zeroKey?: Info; out: Info; lse: Info; dy: Info};
  const grads = parts.map(({shape}) => backend.output(shape));
  const [dq, dk, dv] = thirds(grads, shared[2] * shared[3], backend);
  const dZero = zeroKey ? [backend.output(zeroKey.shape)] : [];
  backend.binding.attentionGrad(
    ...shared,
    backend.floats(out),
    backend.floats(lse),
    backend.floats(dy),
    dq!,
    dk!,
    dv!,
    maybe(backend, dZero[0]),
  );
  return [...grads, ...dZero];
};

const tokenScores: Kernel = (inputs, _attributes, backend) => {
  const {logits, targets, rows} = inputs as Record<'logits' | 'targets' | 'rows', Info>;
  const [count, n] = logits.shape as [number, number];
  const found = backend.output(targets.shape);
  const best = new Int32Array(count);
  const [places, wanted] = [backend.ints(rows), backend.ints(targets)];
  backend.binding.tokenScores(count, n, backend.floats(logits), places, wanted, backend.floats(found), best);
  return [found, backend.makeTensorInfo([count], 'int32', best)];
};

const headLoss: Kernel = (inputs, {gradient, weightGradient}, backend) => {
  const {state, weight, targets, weights} = inputs as Record<
    'state' | 'weight' | 'targets' | 'weights',
    Info
  >;
  const [rows, width] = state.shape as [number, number];
  const [vocabulary, columns] = weight.shape as [number, number];
  require(width === columns, `[${state.shape.join()}] by [${weight.shape.join()}]`);
  const chunk = Math.min(rows, Math.max(HEAD_ROWS, Math.floor(HEAD_LOGITS / vocabulary)));
  const loss = backend.output([]);
  const grads = gradient ? [backend.output(state.shape)] : [];
  if (weightGradient) grads.push(backend.output(weight.shape));
  backend.withScratch(chunk * vocabulary, (logits) => {
    backend.floats(loss)[0] = backend.binding.headLoss(
      rows,
      width,
      vocabulary,
      chunk,
      backend.floats(state),
      backend.floats(weight),
      backend.ints(targets),
      backend.floats(weights),
      logits,
      maybe(backend, grads[0]),
      maybe(backend, grads[1]),
    );
  });
  return [loss, ...grads];
};

/** The fused operations that src/ops asks for by these names, beside its composed references. */
export const FUSED: Record<string, Kernel> = {
  ZttLinear: linear,
  ZttActivation: ({x}, {activation}, backend) => {
    const y = backend.output(x!.shape);
    backend.binding.unary(UNARY[activation as ActivationName], backend.floats(x!), backend.floats(y));
    return y;
  },
  ZttActivationGradient: ({x, dy}, {activation}, backend) => {
    const dx = backend.output(x!.shape);
    const code = ACTIVATION[activation as ActivationName];
    backend.binding.activationGrad(code, backend.floats(x!), backend.floats(dy!), backend.floats(dx));
    return dx;
  },
  ZttColumnSums: ({x}, _attributes, backend) => {
    const [rows, n] = x!.shape as [number, number];
    const y = backend.output([n]);
    backend.binding.columnSums(rows, n, backend.floats(x!), backend.floats(y));
    return y;
  },
  ZttLayerNorm: layerNorm,
  ZttLayerNormGradient: layerNormGradient,
  ZttAttention: attention,
  ZttAttentionGradient: attentionGradient,
  ZttHeadLoss: headLoss,
  ZttTokenScores: tokenScores,
  ZttSumSquares: ({x}, _attributes, backend) => {
    const y = backend.output([]);
    backend.floats(y)[0] = backend.binding.sumSquares(backend.floats(x!));
    return y;
  },
  ZttAdamW: ({parameter, mean, square, gradient, factor}, attributes, backend) => {
    const {scale, rate, beta1, beta2, epsilon, squareCorrection, decay} = attributes as Record<
      string,
      number
    >;
    backend.binding.adamW(
      backend.floatsInPlace(parameter!),
      backend.floatsInPlace(mean!),
      backend.floatsInPlace(square!),
      backend.floats(gradient!),
      Float32Array.of(
        factor ? backend.floats(factor)[0]! : scale!,
        rate!,
        beta1!,
        beta2!,
        epsilon!,
        squareCorrection!,
        decay!,
      ),
    );
    return [];
  },
};
