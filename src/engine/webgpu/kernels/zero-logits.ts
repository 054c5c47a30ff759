import {inParts} from './column-sums.js';
import {output, reads, run, writes, type Info, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';

// Shapes: B batch, T tokens, H heads, d head size. Rows of q are the tokens; those of strands are sequences of one.

const THREADS = 64;
/** Rows whose parts of the gradient by the zero keys one thread adds up. */
const ROWS = 64;

/** Where a head's logit of a token lies, from the head and the row of q. */
const LOGIT_AT = '((row / u.tokens * u.heads + head) * u.tokens + row % u.tokens)';

/** A thread for each logit. */
const forward: Shader = {
  name: 'zero logits',
  threads: THREADS,
  code: () => `
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i >= u.size) { return; }
  let head = i % u.heads;
  let row = i / u.heads;
  let start = row * u.stride + u.at + head * u.d;
  var sum = 0.0;
  for (var c = 0u; c < u.d; c++) { sum += q[start + c] * zeroKey[head * u.d + c]; }
  logits[${LOGIT_AT}] = sum * u.scale;
}`,
};

/** A thread for each number of the queries. */
const byQueries: Shader = {
  name: 'zero logits gradient by queries',
  threads: THREADS,
  code: () => `
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i >= u.size) { return; }
  let column = i % u.width;
  let row = i / u.width;
  let head = column / u.d;
  dq[row * u.stride + column] += dLogits[${LOGIT_AT}] * u.scale * zeroKey[column];
}`,
};

/** A thread for each number of the zero keys and ROWS rows: parts [ceil(B T / ROWS), H d]. */
const byKey: Shader = {
  name: 'zero logits gradient by keys',
  threads: THREADS,
  code: () => `
fn main(group: u32, thread: u32) {
  let blocks = (u.width + ${THREADS - 1}u) / ${THREADS}u;
  let chunk = group / blocks;
  let column = (group % blocks) * ${THREADS}u + thread;
  if (column >= u.width) { return; }
  let head = column / u.d;
  let end = min(u.rows, (chunk + 1u) * ${ROWS}u);
  var sum = 0.0;
  for (var row = chunk * ${ROWS}u; row < end; row++) {
    sum += dLogits[${LOGIT_AT}] * u.scale * q[row * u.stride + column];
  }
  dKey[chunk * u.width + column] = sum;
}`,
};

function sizes(q: Info, zeroKey: Info) {
  const [heads, d] = zeroKey.shape as [number, number];
  const stride = q.shape.at(-1)!;
  const [batch, tokens] = q.shape.length === 3 ? (q.shape as [number, number]) : [q.shape[0]!, 1];
  return {batch, tokens, heads, d, stride, rows: batch * tokens, width: heads * d};
}

const zeroLogits: Kernel<'ZttZeroLogits'> = ({q, zeroKey}, {scale, at}, backend) => {
  const {batch, tokens, heads, d, stride, rows} = sizes(q, zeroKey);
  const logits = output(backend, q.shape.length === 3 ? [batch, heads, tokens] : [batch, heads]);
  const size = rows * heads;
  run(backend, forward, {
    constants: {},
    buffers: {q: reads(q), zeroKey: reads(zeroKey), logits: writes(logits)},
    whole: {size, heads, tokens, stride, at, d},
    real: {scale},
    groups: Math.ceil(size / THREADS),
  });
  return [logits];
};

const gradient: Kernel<'ZttZeroLogitsGradient'> = (inputs, {scale}, backend) => {
  const {q, zeroKey, dLogits, dq} = inputs;
  const {tokens, heads, d, stride, rows, width} = sizes(q, zeroKey);
  const size = rows * width;
  run(backend, byQueries, {
    constants: {},
    buffers: {zeroKey: reads(zeroKey), dLogits: reads(dLogits), dq: writes(dq)},
    whole: {size, heads, tokens, stride, d, width},
    real: {scale},
    groups: Math.ceil(size / THREADS),
  });
  const dKey = output(backend, zeroKey.shape);
  const chunks = Math.ceil(rows / ROWS);
  inParts(backend, chunks, width, dKey, (parts) =>
    run(backend, byKey, {
      constants: {},
      buffers: {q: reads(q), dLogits: reads(dLogits), dKey: writes(parts)},
      whole: {rows, heads, tokens, stride, d, width},
      real: {scale},
      groups: chunks * Math.ceil(width / THREADS),
    }),
  );
  return [dKey];
};

export const ZERO_LOGITS = {
  ZttZeroLogits: zeroLogits,
  ZttZeroLogitsGradient: gradient,
} satisfies Kernels;
