import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {reads, run, writes, type Info, type Shader} from './program.js';
import type {Kernels} from './register.js';

const THREADS = 256;

const shader: Shader = {
  name: 'copy of rows',
  threads: THREADS,
  code: () => `
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i < u.size) { pool[u.at * u.width + i] = rows[i / u.width * u.stride + u.column + i % u.width]; }
}`,
};

/** Writes the columns from `from` on of all rows [n, stride] into a pool [capacity, width], from row `at` on: in place. */
export function copyRows(backend: WebGPUBackend, rows: Info, pool: Info, at: number, from = 0): void {
  const [capacity, width] = pool.shape as [number, number];
  const [count, stride] = rows.shape as [number, number];
  if (at + count > capacity || from + width > stride) {
    throw new RangeError(
      `${count} rows at ${at} of ${capacity}, ${width} columns from ${from} of ${stride}: they do not fit`,
    );
  }
  const size = count * width;
  run(backend, shader, {
    constants: {},
    buffers: {rows: reads(rows), pool: writes(pool)},
    whole: {size, width, stride, at, column: from},
    groups: Math.ceil(size / THREADS),
  });
}

/** Rows for a cache. */
export const ROWS = {
  ZttAppendRows: ({pool, rows}, {at, from}, backend) => {
    copyRows(backend, rows, pool, at, from);
    return [];
  },
} satisfies Kernels;
