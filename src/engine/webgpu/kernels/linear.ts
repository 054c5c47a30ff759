import {activate} from './activation.js';
import {tfjsKernel} from './products.js';
import type {Info} from './program.js';
import type {Kernel, Kernels} from './register.js';

/** tfjs's product, which adds the bias; then the activation, of which tfjs has none of ours. */
const linear: Kernel<'ZttLinear'> = ({x, weight, bias}, attributes, backend) => {
  const {transpose, activation, keep, from = 0, outputs} = attributes;
  const [rows, columns] = weight.shape as [number, number];
  const all = transpose ? rows : columns;
  const cut: Info[] = [];
  const part = (of: Info, begin: number[], size: number[]) => {
    if (outputs === undefined || outputs === all) return of;
    const slice = tfjsKernel(backend, 'Slice', {x: of}, {begin, size});
    cut.push(slice);
    return slice;
  };
  const count = outputs ?? all;
  const b = transpose ? part(weight, [from, 0], [count, columns]) : part(weight, [0, from], [rows, count]);
  const shared = {a: x, b};
  const product = bias
    ? tfjsKernel(
        backend,
        '_FusedMatMul',
        {...shared, bias: part(bias, [from], [count])},
        {
          transposeA: false,
          transposeB: transpose,
          activation: 'linear',
        },
      )
    : tfjsKernel(backend, 'BatchMatMul', shared, {transposeA: false, transposeB: transpose});
  for (const {dataId} of cut) backend.disposeData(dataId);
  if (!activation) return [product];
  const y = activate(backend, product, activation);
  if (keep) return [y, product];
  backend.disposeData(product.dataId);
  return [y];
};

export const LINEAR = {ZttLinear: linear} satisfies Kernels;
