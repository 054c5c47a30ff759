import {backend_util} from '@tensorflow/tfjs-core';
import {sizeOf} from '../backend.js';
import type {Arguments} from '../calls.js';
import {allFloat, type Attributes, type Kernel} from './register.js';

/** What `Binding.binary` walks over. */
interface Walk {
  outer: number;
  inner: number;
  aOuter: number;
  aInner: number;
  bOuter: number;
  bInner: number;
}

/** Which operands have an axis of their own. */
interface Group {
  size: number;
  a: boolean;
  b: boolean;
}

/**
 * A broadcast as two loops, or null where it takes more. Neighbouring axes that both operands treat alike are one.
 */
function walk(aShape: number[], bShape: number[], out: number[]): Walk | null {
  const groups: Group[] = [];
  for (const [axis, size] of out.entries()) {
    if (size === 1) continue;
    const has = (shape: number[]) => (shape[axis - out.length + shape.length] ?? 1) !== 1;
    const [a, b] = [has(aShape), has(bShape)];
    const last = groups.at(-1);
    if (last && last.a === a && last.b === b) last.size *= size;
    else groups.push({size, a, b});
  }
  if (groups.length > 2) return null;
  const alone: Group = {size: 1, a: true, b: true};
  const inner = groups.at(-1) ?? alone;
  const outer = groups.length === 2 ? groups[0]! : alone;
  const step = (own: boolean, below: boolean) => (own ? (below ? inner.size : 1) : 0);
  return {
    outer: outer.size,
    inner: inner.size,
    aOuter: step(outer.a, inner.a),
    aInner: inner.a ? 1 : 0,
    bOuter: step(outer.b, inner.b),
    bInner: inner.b ? 1 : 0,
  };
}

const binary =
  (op: Arguments<'binary'>['op']): Kernel =>
  (inputs, _attributes, backend) => {
    const [a, b] = [inputs.a!, inputs.b!];
    if (!allFloat(a, b)) return null;
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const loops = walk(a.shape, b.shape, shape);
    if (!loops) return null;
    const out = backend.output(shape);
    if (sizeOf(shape) === 0) return out;
    const {outer, inner, aOuter, aInner, bOuter, bInner} = loops;
    backend.binding.binary({
      op,
      shape: Float64Array.of(outer, inner, aOuter, aInner, bOuter, bInner),
      a: backend.floats(a),
      b: backend.floats(b),
      y: backend.floats(out),
    });
    return out;
  };

const unary =
  (op: Arguments<'unary'>['op'], takes: (attributes: Attributes) => boolean = () => true): Kernel =>
  (inputs, attributes, backend) => {
    const x = inputs.x!;
    if (!allFloat(x) || !takes(attributes)) return null;
    const out = backend.output(x.shape);
    backend.binding.unary({op, x: backend.floats(x), y: backend.floats(out)});
    return out;
  };

const filled =
  (value: number): Kernel =>
  (inputs, _attributes, backend) => {
    const x = inputs.x!;
    if (!allFloat(x)) return null;
    const out = backend.output(x.shape);
    backend.binding.fill({value, y: backend.floats(out)});
    return out;
  };

/** Kernels on each element, with the broadcasts of biases, rows, columns and scalars. */
export const ELEMENTWISE: Record<string, Kernel> = {
  Add: binary('add'),
  Sub: binary('sub'),
  Multiply: binary('mul'),
  RealDiv: binary('div'),
  Relu: unary('relu'),
  Step: unary('step', ({alpha}) => !alpha),
  Square: unary('square'),
  Sqrt: unary('sqrt'),
  Rsqrt: unary('rsqrt'),
  Neg: unary('neg'),
  Exp: unary('exp'),
  Tanh: unary('tanh'),
  Erf: unary('erf'),
  Sigmoid: unary('sigmoid'),
  ZerosLike: filled(0),
  OnesLike: filled(1),
};
