import * as tf from '@tensorflow/tfjs-core';
import {beforeEach, describe, expect, it} from 'vitest';
import {loadBinding, type Binding} from '../../src/engine/native/binding.js';
import {Storage} from '../../src/engine/native/storage.js';
import {useEngine} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {tensor, values} from '../helpers/compare.js';

/** Kernels that have a native version, with the broadcasts and axes that models use and some that they do not. */
const CASES: [string, () => tf.Tensor | tf.Tensor[]][] = [
  ['add, same shape', () => tf.add(tensor([3, 5, 7], 1), tensor([3, 5, 7], 2))],
  ['sub, bias', () => tf.sub(tensor([3, 5, 7], 1), tensor([7], 2))],
  ['mul, column', () => tf.mul(tensor([3, 5, 7], 1), tensor([3, 5, 1], 2))],
  ['div, scalar on the left', () => tf.div(2, tf.add(tensor([3, 5, 7], 1), 3))],
  ['add, middle axis', () => tf.add(tensor([3, 5, 7], 1), tensor([3, 1, 7], 2))],
  ['mul, both broadcast', () => tf.mul(tensor([3, 1], 1), tensor([1, 7], 2))],
  ['add, int32', () => tf.add(tf.tensor1d([1, 2], 'int32'), tf.tensor1d([3, 4], 'int32'))],
  [
    'matMul, int32',
    () => tf.matMul(tf.tensor2d([[1, 2]], undefined, 'int32'), tf.tensor2d([[3], [4]], undefined, 'int32')),
  ],
  ...(['relu', 'step', 'square', 'neg', 'exp', 'tanh', 'erf', 'sigmoid'] as const).map(
    (name): [string, () => tf.Tensor] => [name, () => tf[name](tf.mul(tensor([5, 19], 3), 4))],
  ),
  ...(['sqrt', 'rsqrt'] as const).map((name): [string, () => tf.Tensor] => [
    name,
    () => tf[name](tf.add(tensor([5, 19], 3), 1.1)),
  ]),
  ['softmax', () => tf.softmax(tf.mul(tensor([4, 5, 129], 4), 20))],
  ['sum over the last axis', () => tf.sum(tensor([4, 5, 129], 4), -1, true)],
  ['sum over all', () => tf.sum(tensor([4, 5, 129], 4))],
  ['sum over the first axis', () => tf.sum(tensor([4, 5, 129], 4), 0)],
  ['mean over two axes', () => tf.mean(tensor([4, 5, 129], 4), [1, 2])],
  ['max', () => tf.max(tensor([4, 5, 129], 4), -1)],
  ['argMax', () => tf.argMax(tensor([4, 5, 129], 4), -1)],
  ['transpose of heads', () => tf.transpose(tensor([2, 3, 4, 5], 5), [0, 2, 1, 3])],
  ['transpose of all', () => tf.transpose(tensor([2, 3, 4, 5], 5), [3, 1, 0, 2])],
  ['slice', () => tf.slice(tensor([4, 5, 6], 6), [1, 0, 2], [2, -1, 3])],
  ['slice of nothing', () => tf.slice(tensor([4, 5, 6], 6), [1, 0, 2], [0, 5, 3])],
  ['split', () => tf.split(tensor([4, 6, 9], 6), [2, 3, 4], -1)],
  ['concat', () => tf.concat([tensor([2, 3, 4], 1), tensor([2, 1, 4], 2), tensor([2, 0, 4], 3)], 1)],
  [
    'pad',
    () =>
      tf.pad(
        tensor([3, 4], 1),
        [
          [1, 2],
          [0, 3],
        ],
        0.5,
      ),
  ],
  ['tile', () => tf.tile(tensor([1, 3, 1, 4], 1), [2, 2, 1, 3])],
  [
    'gather',
    () =>
      tf.gather(
        tensor([5, 7], 1),
        tf.tensor2d(
          [
            [4, 0],
            [4, 2],
          ],
          undefined,
          'int32',
        ),
      ),
  ],
  [
    'scatterND',
    () => tf.scatterND(tf.tensor2d([[4], [0], [4]], undefined, 'int32'), tensor([3, 7], 1), [6, 7]),
  ],
  ['matMul, one matrix for a batch', () => tf.matMul(tensor([3, 5, 7], 1), tensor([1, 7, 4], 2))],
  ['matMul, one row', () => tf.matMul(tensor([1, 1], 1), tensor([1, 9], 2))],
  ...[false, true].flatMap((a) =>
    [false, true].map((b): [string, () => tf.Tensor] => [
      `matMul, transposed ${a} and ${b}`,
      () =>
        tf.matMul(tensor(a ? [2, 33, 17] : [2, 17, 33], 1), tensor(b ? [2, 50, 33] : [2, 33, 50], 2), a, b),
    ]),
  ),
];

describe('a kernel is as on cpu', () => {
  it.each(CASES)('%s', async (_name, run) => {
    const on = async (engine: string) => {
      await useEngine({engine});
      const results = [tf.tidy(run)].flat();
      const all = await Promise.all(results.map(async (result) => ({result, data: await result.data()})));
      tf.dispose(results);
      return all.map(({result, data}) => ({shape: result.shape, dtype: result.dtype, data}));
    };
    const [cpu, native] = [await on('cpu'), await on('native')];
    expect(native).toHaveLength(cpu.length);
    for (const [i, {shape, dtype, data}] of cpu.entries()) {
      expect({shape: native[i]!.shape, dtype: native[i]!.dtype}).toEqual({shape, dtype});
      const size = Math.max(1, ...Array.from(data, Math.abs));
      expectClose(native[i]!.data, data, 2e-6 * size);
    }
  });
});

describe('memory that is used again', () => {
  beforeEach(async () => {
    await useEngine({engine: 'native'});
  });

  it('leaves what was read, and what shares values, as it was', async () => {
    const x = tensor([64], 1);
    const y = tf.mul(x, 2);
    const [view, part] = [tf.reshape(y, [8, 8]), tf.slice(y, [8], [8])];
    const rows = tf.unstack(view);
    const read = await y.data();
    const kept = read.slice();
    tf.dispose([x, y]);
    // The same size again: it would get y's memory if that were free.
    const other = tf.mul(tensor([64], 5), 3);
    expect(await view.data()).toEqual(kept);
    view.dispose();
    const another = tf.mul(tensor([64], 6), 3);
    expect(read).toEqual(kept);
    expect(await part.data()).toEqual(kept.slice(8, 16));
    expect(await rows[7]!.data()).toEqual(kept.slice(56));
    tf.dispose([part, rows, other, another]);
  });

  it('never writes to an array of the caller', async () => {
    const mine = Float32Array.from({length: 32}, (_, i) => i);
    const before = mine.slice();
    const x = tf.tensor1d(mine);
    const variable = tf.variable(x);
    tf.engine().runKernel(
      'ZttAdamW',
      {parameter: variable, mean: tf.zeros([32]), square: tf.zeros([32]), gradient: tf.ones([32])},
      {
        scale: 1,
        rate: 0.1,
        beta1: 0.9,
        beta2: 0.999,
        epsilon: 1e-8,
        squareCorrection: 1,
        decay: 1,
      },
    );
    expect(mine).toEqual(before);
    expect(await variable.data()).not.toEqual(before);
    tf.dispose([x, variable]);
  });

  it('is never given out twice, and all of it is free again in the end', () => {
    let slabs = 0;
    const storage = new Storage((length) => (slabs++, new Float32Array(length)));
    const held: {array: Float32Array; mark: number}[] = [];
    const sizes = values(2000, 7).map((value) => Math.floor(Math.abs(value) ** 4 * 200_000));
    for (const [mark, size] of sizes.entries()) {
      held.push({array: storage.take(size).fill(mark), mark});
      if (held.length < 60) continue;
      const [{array, mark: written}] = held.splice((mark * 7919) % held.length, 1) as [(typeof held)[0]];
      expect(array.every((value) => value === written)).toBe(true);
      storage.release(array);
    }
    for (const {array} of held) storage.release(array);
    expect(slabs).toBe(1);
    const whole = storage.take(1 << 24);
    expect(slabs).toBe(1);
    expect(storage.owns(whole)).toBe(true);
    expect(storage.owns(new Float32Array(1))).toBe(false);
  });
});

describe('the addon refuses, without touching memory,', () => {
  const f = (n: number) => new Float32Array(n);
  const i = (...values: number[]) => Int32Array.from(values);
  const CALLS: [string, (b: Binding) => unknown][] = [
    ['an output too short', (b) => b.matMul(1, false, false, 4, 4, 4, f(16), 16, f(16), 16, f(15))],
    ['an input too short', (b) => b.linear(false, 4, 4, 4, f(15), f(16), 4, null, 0, f(16), null)],
    [
      'a range outside of the keys',
      (b) =>
        b.strandAttention(
          1,
          1,
          4,
          1,
          i(1, 1),
          i(3, 2),
          i(2),
          4,
          4,
          f(4),
          4,
          f(16),
          null,
          4,
          f(16),
          f(4),
          f(1),
          null,
        ),
    ],
    [
      'a query that sees more keys than there are',
      (b) =>
        b.strandWeights(1, 1, 4, 1, i(1, 1), i(0, 2), i(3), 4, 4, f(4), 4, f(16), null, f(16), f(1), null),
    ],
    [
      'queries of no strand',
      (b) => b.strandValues(2, 1, 4, 1, i(1, 1), i(0, 2), i(1, 1), 4, 4, f(16), i(1, 1), f(16), f(2), f(8)),
    ],
    ['a target outside of the vocabulary', (b) => b.tokenScores(1, 4, f(4), i(0), i(4), f(1), i(0))],
    ['a target of no row', (b) => b.tokenScores(1, 4, f(4), i(1), i(3), f(1), i(0))],
    ['sizes that overflow', (b) => b.reduce(0, 2 ** 40, 2 ** 40, f(1), f(1))],
    ['sizes that are no whole numbers', (b) => b.softmax(1.5, 2, f(4), f(4))],
    ['a negative size', (b) => b.softmax(-1, 2, f(4), f(4))],
    ['an unknown operation', (b) => b.unary(99, f(4), f(4))],
    ['an id outside of the table', (b) => b.gatherRows(1, 4, 2, f(8), Int32Array.of(4), f(2))],
    ['a negative id', (b) => b.scatterAdd(1, 4, 2, Int32Array.of(-1), f(2), f(8))],
    [
      'a copy out of bounds',
      (b) => b.copy(Float64Array.of(1, 1, 2, 4, 0, 0, 4, 1, 0, 0, 4, 1, 1, 0), f(8), f(8)),
    ],
    ['a block that is too short', (b) => b.copy(Float64Array.of(1), f(8), f(8))],
    [
      'a target outside of the vocabulary',
      (b) => b.headLoss(1, 2, 4, 1, f(2), f(8), Int32Array.of(4), f(1), f(4), null, null),
    ],
    [
      'tokens that overlap',
      (b) => b.attention(1, 2, 2, 4, 4, f(64), f(64), f(64), null, 1, f(64), f(64), null),
    ],
    ['another kind of array', (b) => b.unary(0, new Float64Array(4) as unknown as Float32Array, f(4))],
    ['too few arguments', (b) => (b.unary as (...args: unknown[]) => void)(0, f(4))],
  ];

  it.each(CALLS)('%s', async (_name, call) => {
    const loaded = await loadBinding();
    if (!loaded.ok) throw new Error(loaded.reason);
    expect(() => call(loaded.binding)).toThrow(RangeError);
  });
});
