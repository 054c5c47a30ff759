import {output, reads, run, sizeOf, withScratch, writes, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {LEAST, logSumExp, reduction} from './wgsl.js';

const THREADS = 256;

/** Each row's log-sum-exp, and its largest logit's first place. */
const ofRows: Shader = {
  name: 'log-sum-exp and best token',
  threads: THREADS,
  code: () => `
${logSumExp(THREADS)}
struct Best { value: f32, place: u32 }
fn better(a: Best, b: Best) -> Best {
  if (b.value > a.value || (b.value == a.value && b.place < a.place)) { return b; }
  return a;
}
${reduction('best', 'Best', THREADS, 'better(a, b)')}
fn main(row: u32, thread: u32) {
  let start = row * u.n;
  let lse = logSumExp(start, thread);
  var mine = Best(${LEAST}, u.n);
  for (var i = thread; i < u.n; i += ${THREADS}u) {
    let value = logits[start + i];
    if (value > mine.value) { mine = Best(value, i); }
  }
  let all = best(mine, thread);
  if (thread == 0u) {
    sums[row] = lse;
    places[row] = i32(all.place);
  }
}`,
};

const ofTargets: Shader = {
  name: 'log-probabilities of targets',
  threads: THREADS,
  code: () => `
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i >= u.size) { return; }
  let row = u32(rows[i]);
  found[i] = logits[row * u.n + u32(targets[i])] - sums[row];
}`,
};

const tokenScores: Kernel<'ZttTokenScores'> = ({logits, targets, rows}, _attributes, backend) => {
  const [count, n] = logits.shape as [number, number];
  const found = output(backend, targets.shape);
  const best = output(backend, [count], 'int32');
  withScratch(backend, [count], (sums) => {
    run(backend, ofRows, {
      constants: {},
      buffers: {logits: reads(logits), sums: writes(sums), places: writes(best, 'i32')},
      whole: {n},
      groups: count,
    });
    const size = sizeOf(targets);
    run(backend, ofTargets, {
      constants: {},
      buffers: {
        logits: reads(logits),
        targets: reads(targets, 'i32'),
        rows: reads(rows, 'i32'),
        sums: reads(sums),
        found: writes(found),
      },
      whole: {n, size},
      groups: Math.ceil(size / THREADS),
    });
  });
  return [found, best];
};

/** The log-probability of targets, and the most likely token of each row: of two alike the first. */
export const TOKEN_SCORES = {ZttTokenScores: tokenScores} satisfies Kernels;
