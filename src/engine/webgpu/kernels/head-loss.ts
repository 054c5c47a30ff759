import {present} from '../../register.js';
import {runOnElements, THREADS, type ElementShader} from './elements.js';
import {columnSums} from './column-sums.js';
import {tfjsKernel} from './products.js';
import {output, reads, run, withScratch, writes, type Info, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {copyRows} from './rows.js';
import {logSumExp} from './wgsl.js';

// Shapes: N rows, D width, V vocabulary; n rows at a time.

/** Logits computed at a time, at most, and rows at least: the gradient by the weight is read and written once each time. */
const LOGITS = 1 << 25;
const ROWS = 64;

/** Each row's loss from its logits, which become their gradient if that is wanted. */
const rowLosses: Shader<{gradient: boolean}> = {
  name: 'LM-head loss',
  threads: THREADS,
  code: ({gradient}) => `
${logSumExp(THREADS)}
fn main(group: u32, thread: u32) {
  let row = u.first + group;
  let start = group * u.n;
  let lse = logSumExp(start, thread);
  let wanted = u32(targets[row]);
  let share = weights[row];
  if (thread == 0u) { losses[row] = (lse - logits[start + wanted]) * share; }
  ${
    gradient
      ? `
  workgroupBarrier();
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    logits[start + i] = (exp(logits[start + i] - lse) - select(0.0, 1.0, i == wanted)) * share;
  }`
      : ''
  }
}`,
};

const adding: ElementShader<Record<never, never>> = {name: 'sum in place', line: () => 'sum[i] += x[i];'};

const headLoss: Kernel<'ZttHeadLoss'> = (inputs, {gradient, weightGradient}, backend) => {
  const {state, weight, targets, weights} = inputs;
  const [N, D] = state.shape as [number, number];
  const V = weight.shape[0]!;
  const most = Math.min(LOGITS, backend.device.limits.maxStorageBufferBindingSize / 4);
  const rows = Math.min(N, Math.max(ROWS, Math.floor(most / V / ROWS) * ROWS));
  const loss = output(backend, []);
  const dState = gradient ? output(backend, [N, D]) : undefined;
  let dWeight: Info | undefined;
  const free = ({dataId}: Info) => backend.disposeData(dataId);
  const product = (a: Info, b: Info, transposeA: boolean, transposeB: boolean) =>
    tfjsKernel(backend, 'BatchMatMul', {a, b}, {transposeA, transposeB});
  withScratch(backend, [N, 1], (losses) => {
    for (let first = 0; first < N; first += rows) {
      const n = Math.min(rows, N - first);
      const part = tfjsKernel(backend, 'Slice', {x: state}, {begin: [first, 0], size: [n, D]});
      const logits = product(part, weight, false, true);
      run(backend, rowLosses, {
        constants: {gradient},
        buffers: {
          logits: gradient ? writes(logits) : reads(logits),
          targets: reads(targets, 'i32'),
          weights: reads(weights),
          losses: writes(losses),
        },
        whole: {n: V, first},
        groups: n,
      });
      if (dState) {
        const dPart = product(logits, weight, false, false);
        copyRows(backend, dPart, dState, first);
        free(dPart);
      }
      if (weightGradient) {
        const share = product(logits, part, true, false);
        if (dWeight) {
          runOnElements(backend, adding, {constants: {}, reads: {x: share}, writes: {sum: dWeight}});
          free(share);
        } else dWeight = share;
      }
      free(part);
      free(logits);
    }
    columnSums(backend, losses, N, 1, loss);
  });
  return present(loss, dState, dWeight);
};

/** The cross-entropy of the LM head's logits, which are only ever there for some rows at a time. */
export const HEAD_LOSS = {ZttHeadLoss: headLoss} satisfies Kernels;
