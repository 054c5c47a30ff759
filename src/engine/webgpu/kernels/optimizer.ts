import {inParts} from './column-sums.js';
import {piecesOf, runOnElements, THREADS, type ElementShader} from './elements.js';
import {output, reads, run, writes, type Shader} from './program.js';
import type {Kernel, Kernels} from './register.js';
import {reduction, SUM} from './wgsl.js';

/** Workgroups that go over one tensor for the sum of its squares, at most, and elements of a thread that one is worth. */
const GROUPS = 256;
const WORTH = 16;

/** The sum of squares of each workgroup's elements, into `parts` from `at` on. */
const partSquares: Shader<{element: string}> = {
  name: 'sum of squares',
  threads: THREADS,
  code: ({element}) => `
${reduction('sum', 'f32', THREADS, SUM)}
fn main(group: u32, thread: u32) {
  var part = 0.0;
  for (var i = group * ${THREADS}u + thread; i < u.size; i += u.groups * ${THREADS}u) {
    let value = x[i];
    part += ${element === 'vec4f' ? 'dot(value, value)' : 'value * value'};
  }
  let all = sum(part, thread);
  if (thread == 0u) { parts[u.at + group] = all; }
}`,
};

const sumSquares: Kernel<'ZttSumSquares'> = ({x}, _attributes, backend) => {
  const y = output(backend, []);
  const pieces = piecesOf(backend, x).map((piece) => ({
    ...piece,
    groups: Math.min(GROUPS, Math.ceil(piece.size / THREADS / WORTH)),
  }));
  const count = pieces.reduce((sum, {groups}) => sum + groups, 0);
  inParts(backend, count, 1, y, (parts) => {
    let at = 0;
    for (const {range, element, size, groups} of pieces) {
      run(backend, partSquares, {
        constants: {element},
        buffers: {x: reads(x, element, range), parts: writes(parts)},
        whole: {size, at},
        groups,
      });
      at += groups;
    }
  });
  return [y];
};

/** One step of AdamW, with the numbers of `AdamWNumbers`. */
const update: ElementShader<{scaled: boolean}> = {
  name: 'AdamW',
  line: ({element, scaled}) => `
    let g = gradient[i] * ${scaled ? 'factor[0]' : 'u.scale'};
    let m = mean[i] * u.beta1 + g * u.fresh1;
    let s = square[i] * u.beta2 + g * g * u.fresh2;
    mean[i] = m;
    square[i] = s;
    parameter[i] = parameter[i] * u.decay - m / (sqrt(s) / u.squareCorrection + ${element}(u.epsilon)) * u.rate;`,
};

const NUMBERS = ['scale', 'rate', 'beta1', 'beta2', 'epsilon', 'squareCorrection', 'decay'] as const;

/** Updates parameter, mean and square in place; `factor`, a scalar on the device, stands for `scale` if given. */
const adamW: Kernel<'ZttAdamW'> = (inputs, numbers, backend) => {
  const {parameter, mean, square, gradient, factor} = inputs;
  runOnElements(backend, update, {
    constants: {scaled: factor !== undefined},
    reads: {gradient},
    writes: {parameter, mean, square},
    beside: factor && {factor: reads(factor)},
    real: {
      ...Object.fromEntries(NUMBERS.map((name) => [name, numbers[name]])),
      // 1 - beta in f32 would lose what it is about.
      fresh1: 1 - numbers.beta1,
      fresh2: 1 - numbers.beta2,
    },
  });
  return [];
};

export const OPTIMIZER = {ZttSumSquares: sumSquares, ZttAdamW: adamW} satisfies Kernels;
