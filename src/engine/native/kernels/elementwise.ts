import {backend_util} from '@tensorflow/tfjs-core';
import {sizeOf} from '../backend.js';
import {BINARY, UNARY} from '../binding.js';
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
export function walk(aShape: number[], bShape: number[], out: number[]): Walk | null {
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
  (op: number): Kernel =>
  (inputs, _attributes, backend) => {
    const [a, b] = [inputs.a!, inputs.b!];
    if (!allFloat(a, b)) return null;
    const shape = backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
    const loops = walk(a.shape, b.shape, shape);
    if (!loops) return null;
    const out = backend.output(shape);
    if (sizeOf(shape) === 0) return out;
    const {outer, inner, aOuter, aInner, bOuter, bInner} = loops;
    backend.binding.binary(
      op,
      Float64Array.of(outer, inner, aOuter, aInner, bOuter, bInner),
      backend.floats(a),
      backend.floats(b),
      backend.floats(out),
    );
    return out;
  };

const unary =
  (op: number, takes: (attributes: Attributes) => boolean = () => true): Kernel =>
  (inputs, attributes, backend) => {
    const x = inputs.x!;
    if (!allFloat(x) || !takes(attributes)) return null;
    const out = backend.output(x.shape);
    backend.binding.unary(op, backend.floats(x), backend.floats(out));
    return out;
  };

const filled =
  (value: number): Kernel =>
  (inputs, _attributes, backend) => {
    const x = inputs.x!;
    if (!allFloat(x)) return null;
    const out = backend.output(x.shape);
    backend.binding.fill(value, backend.floats(out));
    return out;
  };

/** Kernels on each element, with the broadcasts of biases, rows, columns and scalars. */
export const ELEMENTWISE: Record<string, Kernel> = {
  Add: binary(BINARY.add),
  Sub: binary(BINARY.sub),
  Multiply: binary(BINARY.mul),
  RealDiv: binary(BINARY.div),
  Relu: unary(UNARY.relu),
  Step: unary(UNARY.step, ({alpha}) => !alpha),
  Square: unary(UNARY.square),
  Sqrt: unary(UNARY.sqrt),
  Rsqrt: unary(UNARY.rsqrt),
  Neg: unary(UNARY.neg),
  Exp: unary(UNARY.exp),
  Tanh: unary(UNARY.tanh),
  Erf: unary(UNARY.erf),
  Sigmoid: unary(UNARY.sigmoid),
  ZerosLike: filled(0),
  OnesLike: filled(1),
};
