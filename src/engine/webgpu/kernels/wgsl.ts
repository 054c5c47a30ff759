// Pieces of WGSL that kernels share.

/** Lines for 0 to n - 1: loops over registers, which are only registers where no index is left. */
export const unrolled = (n: number, line: (i: number) => string): string =>
  Array.from({length: n}, (_, i) => line(i)).join('\n');

/** How two values become one in a reduction. */
export const SUM = 'a + b';
const MAX = 'max(a, b)';

/**
 * A function that reduces one value a thread over a workgroup, the same for all its threads; always in the same
 * order. All threads must call it.
 */
export const reduction = (name: string, type: string, threads: number, combine: string): string => `
var<workgroup> ${name}_of: array<${type}, ${threads}>;
fn ${name}_two(a: ${type}, b: ${type}) -> ${type} { return ${combine}; }
fn ${name}(value: ${type}, thread: u32) -> ${type} {
  ${name}_of[thread] = value;
  for (var half = ${threads / 2}u; half > 0u; half >>= 1u) {
    workgroupBarrier();
    if (thread < half) { ${name}_of[thread] = ${name}_two(${name}_of[thread], ${name}_of[thread + half]); }
  }
  let all = workgroupUniformLoad(&${name}_of[0]);
  return all;
}
`;

/** Below any logit. */
export const LEAST = '-3.4e38';

/** `logSumExp(start, thread)` of the u.n `logits` from a place on, the same for all threads of a workgroup. */
export const logSumExp = (threads: number): string => `
${reduction('largest', 'f32', threads, MAX)}
${reduction('total', 'f32', threads, SUM)}
fn logSumExp(start: u32, thread: u32) -> f32 {
  var most = ${LEAST};
  var sum = 0.0;
  for (var i = thread; i < u.n; i += ${threads}u) {
    let logit = logits[start + i];
    if (logit > most) {
      sum = sum * exp(most - logit) + 1.0;
      most = logit;
    } else {
      sum += exp(logit - most);
    }
  }
  let top = largest(most, thread);
  return top + log(total(sum * exp(most - top), thread));
}
`;
