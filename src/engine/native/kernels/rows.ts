import {util} from '@tensorflow/tfjs-core';
import {sizeOf, type NativeBackend} from '../backend.js';
import type {Arguments} from '../calls.js';
import {allFloat, type Info, type Kernel} from './register.js';

/** x as rows over its last axes: null unless `axes` are the last ones, and some. */
function rowsOver(x: Info, axes: number | number[]): {rows: number; n: number; rank: number} | null {
  const reduced = util.parseAxisParam(axes, x.shape).sort((a, b) => a - b);
  const rank = x.shape.length - reduced.length;
  if (reduced.some((axis, i) => axis !== rank + i)) return null;
  const n = sizeOf(x.shape.slice(rank));
  return n === 0 ? null : {rows: sizeOf(x.shape.slice(0, rank)), n, rank};
}

const reduction =
  (op: Arguments<'reduce'>['op'], axesName: string): Kernel =>
  (inputs, attributes, backend) => {
    const x = inputs.x!;
    const over = rowsOver(x, attributes[axesName] as number | number[]);
    if (!over || !allFloat(x)) return null;
    const kept = x.shape.slice(0, over.rank);
    const out = backend.output(attributes.keepDims ? [...kept, ...x.shape.slice(over.rank).fill(1)] : kept);
    const {rows, n} = over;
    backend.binding.reduce({op, rows, n, x: backend.floats(x), y: backend.floats(out)});
    return out;
  };

function softmax(inputs: Record<string, Info>, dim: number, backend: NativeBackend): Info | null {
  const x = inputs.logits!;
  const over = rowsOver(x, dim);
  if (!over || !allFloat(x)) return null;
  const out = backend.output(x.shape);
  backend.binding.softmax({rows: over.rows, n: over.n, x: backend.floats(x), y: backend.floats(out)});
  return out;
}

/** Kernels over the last axis. */
export const ROWS: Record<string, Kernel> = {
  Sum: reduction('sum', 'axis'),
  Mean: reduction('mean', 'axis'),
  Max: reduction('max', 'reductionIndices'),
  Softmax: (inputs, {dim}, backend) => softmax(inputs, dim as number, backend),
  ArgMax: (inputs, {axis}, backend) => {
    const x = inputs.x!;
    const over = rowsOver(x, axis as number);
    if (!over || !allFloat(x)) return null;
    const values = new Int32Array(over.rows);
    backend.binding.argMax({rows: over.rows, n: over.n, x: backend.floats(x), y: values});
    return backend.makeTensorInfo(x.shape.slice(0, over.rank), 'int32', values);
  },
};
