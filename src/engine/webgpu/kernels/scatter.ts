import {getKernel, registerKernel, unregisterKernel} from '@tensorflow/tfjs-core';
import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {tfjsKernel} from './products.js';
import {reads, run, sizeOf, writes, type Info, type Shader} from './program.js';
import {reduction, SUM} from './wgsl.js';

// N rows to add to a table: the embedding's gradient. tfjs adds with atomics, in any order.

const THREADS = 64;

/** A row whose id did not come before adds up all rows of that id, in order, as the only one that writes there. */
const shader: Shader = {
  name: 'rows added to a table',
  threads: THREADS,
  code: () => `
${reduction('count', 'u32', THREADS, SUM)}
fn main(row: u32, thread: u32) {
  let id = ids[row];
  var before = 0u;
  for (var i = thread; i < row; i += ${THREADS}u) { before += select(0u, 1u, ids[i] == id); }
  if (count(before, thread) > 0u) { return; }
  let start = u32(id) * u.width;
  for (var column = thread; column < u.width; column += ${THREADS}u) {
    table[start + column] = x[row * u.width + column];
  }
  for (var i = row + 1u; i < u.n; i++) {
    if (ids[i] == id) {
      for (var column = thread; column < u.width; column += ${THREADS}u) {
        table[start + column] += x[i * u.width + column];
      }
    }
  }
}`,
};

/** Takes the place of tfjs's kernel for rows of floats, which gives other bits each time where an id comes again. */
export function makeScatterDeterministic(backendName: string): void {
  const config = getKernel('ScatterNd', backendName);
  unregisterKernel('ScatterNd', backendName);
  registerKernel({
    ...config,
    kernelFunc: (call) => {
      const {indices, updates} = call.inputs as {indices: Info; updates: Info};
      const {shape} = call.attrs as unknown as {shape: number[]};
      if (updates.dtype !== 'float32' || indices.shape.at(-1) !== 1) return config.kernelFunc(call);
      const backend = call.backend as WebGPUBackend;
      const table = tfjsKernel(backend, 'Fill', {}, {shape, value: 0, dtype: 'float32'});
      const n = sizeOf(indices);
      run(backend, shader, {
        constants: {},
        buffers: {ids: reads(indices, 'i32'), x: reads(updates), table: writes(table)},
        whole: {n, width: sizeOf(updates) / n},
        groups: n,
      });
      return table;
    },
  });
}
