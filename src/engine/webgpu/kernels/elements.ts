import type {WebGPUBackend} from '@tensorflow/tfjs-backend-webgpu';
import {
  ranges,
  reads,
  run,
  sizeOf,
  writes,
  type Bound,
  type Constants,
  type Element,
  type Info,
  type Range,
} from './program.js';

export const THREADS = 256;

/** Four floats at a time where that comes out even. */
export const elementOf = (size: number): Element => (size % 4 === 0 ? 'vec4f' : 'f32');

/** Some neighbouring elements of a tensor. */
export interface Piece {
  range: Range;
  element: Element;
  /** How many elements. */
  size: number;
}

/** All of a tensor's, in pieces that can be bound. */
export function piecesOf(backend: WebGPUBackend, info: Info): Piece[] {
  return ranges(backend, sizeOf(info)).map((range) => {
    const element = elementOf(range.count);
    return {range, element, size: range.count / (element === 'vec4f' ? 4 : 1)};
  });
}

type WithElement<C extends Constants> = C & {element: Element};

/** A shader that does the same with each element of tensors of one size. */
export interface ElementShader<C extends Constants> {
  name: string;
  functions?: (constants: WithElement<C>) => string;
  /** What is done with element `i`. */
  line: (constants: WithElement<C>) => string;
}

interface ElementRun<C extends Constants> {
  constants: C;
  reads: Record<string, Info>;
  /** Written, or updated in place. */
  writes: Record<string, Info>;
  /** What is not gone over. */
  beside?: Record<string, Bound>;
  real?: Record<string, number>;
}

export function runOnElements<C extends Constants>(
  backend: WebGPUBackend,
  {name, functions = () => '', line}: ElementShader<C>,
  call: ElementRun<C>,
): void {
  const code = (constants: WithElement<C>) => `
${functions(constants)}
fn main(group: u32, thread: u32) {
  let i = group * ${THREADS}u + thread;
  if (i < u.size) {
    ${line(constants)}
  }
}`;
  for (const {range, element, size} of piecesOf(backend, Object.values(call.writes)[0]!)) {
    const bound = (tensors: Record<string, Info>, bind: typeof reads) =>
      Object.fromEntries(Object.entries(tensors).map(([name, info]) => [name, bind(info, element, range)]));
    run(
      backend,
      {name, threads: THREADS, code},
      {
        constants: {...call.constants, element},
        buffers: {...bound(call.reads, reads), ...bound(call.writes, writes), ...call.beside},
        whole: {size},
        real: call.real,
        groups: Math.ceil(size / THREADS),
      },
    );
  }
}
