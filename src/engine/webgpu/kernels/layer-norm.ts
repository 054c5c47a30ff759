import {inParts} from './column-sums.js';
import {output, reads, run, sizeOf, writes, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {reduction, SUM} from './wgsl.js';

// x [rows, n]; stats [rows, 2]: mean, and 1 / standard deviation.

/** Threads of a row. */
const THREADS = 128;
/** Rows whose parts of the gradients by weight and bias are added up by one workgroup, and columns of it. */
const ROWS = 64;
const COLUMNS = 64;

type Constants = {affine: boolean};

const forward: Shader<Constants> = {
  name: 'layer norm',
  threads: THREADS,
  code: ({affine}) => `
${reduction('sum', 'f32', THREADS, SUM)}
fn main(row: u32, thread: u32) {
  let start = row * u.n;
  var part = 0.0;
  for (var i = thread; i < u.n; i += ${THREADS}u) { part += x[start + i]; }
  let mean = sum(part, thread) / f32(u.n);
  part = 0.0;
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    let centred = x[start + i] - mean;
    part += centred * centred;
  }
  let scale = inverseSqrt(sum(part, thread) / f32(u.n) + u.epsilon);
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    let normal = (x[start + i] - mean) * scale;
    y[start + i] = ${affine ? 'normal * weight[i] + bias[i]' : 'normal'};
  }
  if (thread == 0u) {
    stats[2u * row] = mean;
    stats[2u * row + 1u] = scale;
  }
}`,
};

const byInput: Shader<Constants> = {
  name: 'layer norm gradient',
  threads: THREADS,
  code: ({affine}) => `
${reduction('sum', 'vec2f', THREADS, SUM)}
fn main(row: u32, thread: u32) {
  let start = row * u.n;
  let mean = stats[2u * row];
  let scale = stats[2u * row + 1u];
  var part = vec2f();
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    let d = dy[start + i]${affine ? ' * weight[i]' : ''};
    part += d * vec2f(1.0, (x[start + i] - mean) * scale);
  }
  let means = sum(part, thread) / f32(u.n);
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    let d = dy[start + i]${affine ? ' * weight[i]' : ''};
    dx[start + i] = (d - means.x - (x[start + i] - mean) * scale * means.y) * scale;
  }
}`,
};

/** Parts [ceil(rows / ROWS), n] of the column sums of dy x normal and of dy. */
const byAffine: Shader = {
  name: 'layer norm gradient by weight and bias',
  threads: COLUMNS,
  code: () => `
fn main(group: u32, thread: u32) {
  let blocks = (u.n + ${COLUMNS - 1}u) / ${COLUMNS}u;
  let chunk = group / blocks;
  let column = (group % blocks) * ${COLUMNS}u + thread;
  if (column >= u.n) { return; }
  let end = min(u.rows, (chunk + 1u) * ${ROWS}u);
  var sums = vec2f();
  for (var row = chunk * ${ROWS}u; row < end; row++) {
    let normal = (x[row * u.n + column] - stats[2u * row]) * stats[2u * row + 1u];
    sums += dy[row * u.n + column] * vec2f(normal, 1.0);
  }
  ofWeight[chunk * u.n + column] = sums.x;
  ofBias[chunk * u.n + column] = sums.y;
}`,
};

const norm: Kernel<'ZttLayerNorm'> = ({x, weight, bias}, {epsilon}, backend) => {
  const n = x.shape.at(-1)!;
  const rows = sizeOf(x) / n;
  const y = output(backend, x.shape);
  const stats = output(backend, [rows, 2]);
  run(backend, forward, {
    constants: {affine: Boolean(weight)},
    buffers: {
      x: reads(x),
      ...(weight && bias && {weight: reads(weight), bias: reads(bias)}),
      y: writes(y),
      stats: writes(stats),
    },
    whole: {n},
    real: {epsilon},
    groups: rows,
  });
  return [y, stats];
};

const gradient: Kernel<'ZttLayerNormGradient'> = ({x, stats, weight, dy}, attributes, backend) => {
  const n = x.shape.at(-1)!;
  const rows = sizeOf(x) / n;
  const dx = output(backend, x.shape);
  const given = {x: reads(x), stats: reads(stats), dy: reads(dy)};
  run(backend, byInput, {
    constants: {affine: Boolean(weight)},
    buffers: {...given, ...(weight && {weight: reads(weight)}), dx: writes(dx)},
    whole: {n},
    groups: rows,
  });
  if (!weight || !attributes.affine) return [dx];
  const [dWeight, dBias] = [output(backend, [n]), output(backend, [n])];
  const chunks = Math.ceil(rows / ROWS);
  inParts(backend, chunks, n, dWeight, (ofWeight) =>
    inParts(backend, chunks, n, dBias, (ofBias) =>
      run(backend, byAffine, {
        constants: {},
        buffers: {...given, ofWeight: writes(ofWeight), ofBias: writes(ofBias)},
        whole: {n, rows},
        groups: chunks * Math.ceil(n / COLUMNS),
      }),
    ),
  );
  return [dx, dWeight, dBias];
};

/** Layer norm over the last axis. */
export const LAYER_NORM = {ZttLayerNorm: norm, ZttLayerNormGradient: gradient} satisfies Kernels;
