import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {output, reads, run, withScratch, writes, type Info, type Shader} from './program.js';
import type {Kernels} from './register.js';

/** Columns and rows that a workgroup adds up: its threads lie 32 columns wide and 8 rows deep. */
const WIDE = 32;
const DEEP = 8;
const ROWS = 256;

/** Adds up to ROWS rows each: y [ceil(rows / ROWS), n] of x [rows, n], always in the same order. */
const shader: Shader = {
  name: 'column sums',
  threads: WIDE * DEEP,
  code: () => `
var<workgroup> part: array<f32, ${WIDE * DEEP}>;
fn main(group: u32, thread: u32) {
  let blocks = (u.n + ${WIDE - 1}u) / ${WIDE}u;
  let chunk = group / blocks;
  let column = (group % blocks) * ${WIDE}u + thread % ${WIDE}u;
  let end = min(u.rows, (chunk + 1u) * ${ROWS}u);
  var sum = 0.0;
  if (column < u.n) {
    for (var row = chunk * ${ROWS}u + thread / ${WIDE}u; row < end; row += ${DEEP}u) { sum += x[row * u.n + column]; }
  }
  part[thread] = sum;
  workgroupBarrier();
  if (thread < ${WIDE}u && column < u.n) {
    for (var i = 1u; i < ${DEEP}u; i++) { sum += part[i * ${WIDE}u + thread]; }
    y[chunk * u.n + column] = sum;
  }
}`,
};

/** y [n] = the column sums of x [rows, n]. */
export function columnSums(backend: WebGPUBackend, x: Info, rows: number, n: number, y: Info): void {
  const chunks = Math.max(1, Math.ceil(rows / ROWS));
  inParts(backend, chunks, n, y, (sums) =>
    run(backend, shader, {
      constants: {},
      buffers: {x: reads(x), y: writes(sums)},
      whole: {rows, n},
      groups: chunks * Math.ceil(n / WIDE),
    }),
  );
}

/** Has some sums written in parts, [parts, n], which are added up into y [n]; one part is y itself. */
export function inParts(
  backend: WebGPUBackend,
  parts: number,
  n: number,
  y: Info,
  write: (sums: Info) => void,
): void {
  if (parts === 1) return write(y);
  withScratch(backend, [parts, n], (sums) => {
    write(sums);
    columnSums(backend, sums, parts, n, y);
  });
}

export const COLUMN_SUMS = {
  ZttColumnSums: ({x}, _attributes, backend) => {
    const [rows, n] = x.shape as [number, number];
    const y = output(backend, [n]);
    columnSums(backend, x, rows, n, y);
    return [y];
  },
} satisfies Kernels;
