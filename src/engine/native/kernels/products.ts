import {backend_util} from '@tensorflow/tfjs-core';
import {sizeOf} from '../backend.js';
import {allFloat, type Kernel} from './register.js';

/** Products of matrices, and rows of tables taken and added up. */
export const PRODUCTS: Record<string, Kernel> = {
  BatchMatMul: (inputs, {transposeA, transposeB}, backend) => {
    const [a, b] = [inputs.a!, inputs.b!];
    if (!allFloat(a, b)) return null;
    const [batchA, batchB] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
    const [countA, countB] = [sizeOf(batchA), sizeOf(batchB)];
    const shape = backend_util.assertAndGetBroadcastShape(batchA, batchB);
    const batch = sizeOf(shape);
    const shared = (count: number) => count === 1 && batch > 1;
    if ((countA !== batch && !shared(countA)) || (countB !== batch && !shared(countB))) return null;
    const [rowsA, columnsA] = a.shape.slice(-2) as [number, number];
    const [rowsB, columnsB] = b.shape.slice(-2) as [number, number];
    const [m, k] = transposeA ? [columnsA, rowsA] : [rowsA, columnsA];
    const n = transposeB ? rowsB : columnsB;
    const out = backend.output([...shape, m, n]);
    backend.binding.matMul({
      batch,
      transposeA: Boolean(transposeA),
      transposeB: Boolean(transposeB),
      m,
      n,
      k,
      a: backend.floats(a),
      strideA: shared(countA) ? 0 : m * k,
      b: backend.floats(b),
      strideB: shared(countB) ? 0 : k * n,
      c: backend.floats(out),
    });
    return out;
  },
  GatherV2: (inputs, {axis, batchDims}, backend) => {
    const [x, indices] = [inputs.x!, inputs.indices!];
    if (!allFloat(x) || indices.dtype !== 'int32' || axis || batchDims) return null;
    const [rows, ...rest] = x.shape as [number, ...number[]];
    const out = backend.output([...indices.shape, ...rest]);
    backend.binding.gatherRows({
      n: sizeOf(indices.shape),
      rows,
      size: sizeOf(rest),
      table: backend.floats(x),
      ids: backend.ints(indices),
      y: backend.floats(out),
    });
    return out;
  },
  ScatterNd: (inputs, {shape}, backend) => {
    const [indices, updates] = [inputs.indices!, inputs.updates!];
    const [rows, ...rest] = shape as [number, ...number[]];
    if (!allFloat(updates) || indices.dtype !== 'int32' || indices.shape.at(-1) !== 1) return null;
    const out = backend.output([rows, ...rest]);
    backend.binding.scatterAdd({
      n: sizeOf(indices.shape),
      rows,
      size: sizeOf(rest),
      ids: backend.ints(indices),
      dy: backend.floats(updates),
      tableGrad: backend.floats(out),
    });
    return out;
  },
};
