import {getKernel, registerKernel, unregisterKernel} from '@tensorflow/tfjs-core';
import type {NamedTensorInfoMap, TensorInfo} from '@tensorflow/tfjs-core';
import type {BackendWasm} from '@tensorflow/tfjs-backend-wasm';

type Kernel = (
  inputs: NamedTensorInfoMap,
  backend: BackendWasm,
  attrs: Record<string, unknown>,
) => TensorInfo;

let installed = false;

/**
 * Replaces the wasm backend's matrix product by one that only ever runs its fast path.
 *
 * The backend multiplies two plain matrices with XNNPACK, and everything else (a transposed operand, a batch)
 * with a naive loop that is about 10 times slower: `npx tsx bench/wasm-matmul.ts` shows it. Here transposed
 * operands are transposed first, and a batch runs matrix by matrix.
 */
export function installFastMatMul(): void {
  if (installed) return;
  installed = true;
  const product = kernel('BatchMatMul');
  const transpose = kernel('Transpose');
  unregisterKernel('BatchMatMul', 'wasm');
  registerKernel({
    kernelName: 'BatchMatMul',
    backendName: 'wasm',
    kernelFunc: ({inputs, backend, attrs}) => {
      const {transposeA, transposeB} = attrs as unknown as {transposeA: boolean; transposeB: boolean};
      const wasm = backend as BackendWasm;
      const flip = (x: TensorInfo) => transpose({x}, wasm, {perm: swapLastTwo(x.shape.length)});
      const a = transposeA ? flip(inputs.a!) : inputs.a!;
      const b = transposeB ? flip(inputs.b!) : inputs.b!;
      const out = multiply(a, b, wasm, product);
      if (transposeA) wasm.disposeData(a.dataId);
      if (transposeB) wasm.disposeData(b.dataId);
      return out;
    },
  });
}

function kernel(name: string): Kernel {
  const config = getKernel(name, 'wasm');
  return (inputs, backend, attrs) =>
    config.kernelFunc({inputs, backend, attrs: attrs as never}) as TensorInfo;
}

const swapLastTwo = (rank: number): number[] => [
  ...Array.from({length: rank - 2}, (_, axis) => axis),
  rank - 1,
  rank - 2,
];

const PLAIN = {transposeA: false, transposeB: false};

function multiply(a: TensorInfo, b: TensorInfo, backend: BackendWasm, product: Kernel): TensorInfo {
  const batch = (x: TensorInfo) => x.shape.slice(0, -2).reduce((n, size) => n * size, 1);
  const count = batch(a);
  if (count === 1 || batch(b) !== count || a.dtype !== 'float32' || b.dtype !== 'float32') {
    return product({a, b}, backend, PLAIN);
  }
  const [M, K] = a.shape.slice(-2) as [number, number];
  const N = b.shape.at(-1)!;
  const out = backend.makeOutput([...a.shape.slice(0, -1), N], 'float32');
  const left = backend.makeOutput([1, M, K], 'float32');
  for (let i = 0; i < count; i++) {
    // XNNPACK packs the right operand once for each data id: it must be a new one each time.
    const right = backend.makeOutput([1, K, N], 'float32');
    copy(backend, left, 0, a, i * M * K, M * K);
    copy(backend, right, 0, b, i * K * N, K * N);
    const part = product({a: left, b: right}, backend, PLAIN);
    copy(backend, out, i * M * N, part, 0, M * N);
    backend.disposeData(part.dataId);
    backend.disposeData(right.dataId);
  }
  backend.disposeData(left.dataId);
  return out;
}

function copy(
  backend: BackendWasm,
  to: TensorInfo,
  at: number,
  from: TensorInfo,
  start: number,
  length: number,
): void {
  // Views are taken anew: an allocation may have moved the heap.
  const source = backend.typedArrayFromHeap(from) as Float32Array;
  (backend.typedArrayFromHeap(to) as Float32Array).set(source.subarray(start, start + length), at);
}
