import * as tf from '@tensorflow/tfjs-core';
import {beforeEach, describe, expect, it} from 'vitest';
import {requireAddon, type Names} from '../../../src/addon.js';
import {loadBinding} from '../../../src/engine/native/binding.js';
import type {Binding} from '../../../src/engine/native/calls.js';
import {Storage} from '../../../src/engine/native/storage.js';
import {useEngine} from '../../../src/index.js';
import {expectClose} from '../../helpers/close.js';
import {tensor, values} from '../../ops/op-on-engine.js';

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
  const strands = {
    queries: 1,
    heads: 1,
    kvHeads: 1,
    size: 4,
    window: 9,
    scale: 1,
    strands: i(1, 1),
    ranges: i(0, 2),
    seen: i(2),
  };
  const scores = {...strands, keyRows: 4, qStride: 4, q: f(4), kStride: 4, k: f(16), zeroLogits: null};
  const head = {rows: 1, width: 2, vocabulary: 4, chunk: 1, state: f(2), weight: f(8), rowWeights: f(1)};
  const linear = {transposeW: false, m: 4, n: 4, k: 4, w: f(16), strideW: 4, bias: null, y: f(16)};
  const ids = {n: 1, rows: 4, size: 2};
  const scored = {rows: 1, n: 4, logits: f(4), logProbabilities: f(1), best: i(0)};
  const CALLS: [string, RegExp, (b: Binding) => unknown][] = [
    [
      'an output too short',
      /^matMul: c: an array too short for its shape \(15; the limit is 16\)$/,
      (b) =>
        b.matMul({
          batch: 1,
          transposeA: false,
          transposeB: false,
          m: 4,
          n: 4,
          k: 4,
          a: f(16),
          strideA: 16,
          b: f(16),
          strideB: 16,
          c: f(15),
        }),
    ],
    [
      'an input too short',
      /^linear: x: .* too short/,
      (b) => b.linear({...linear, x: f(15), activation: 'none', before: null}),
    ],
    [
      'a range outside of the keys',
      /^strandAttention: ranges: /,
      (b) =>
        b.strandAttention({
          ...scores,
          ranges: i(3, 2),
          vStride: 4,
          v: f(16),
          out: f(4),
          inverse: f(1),
          zero: null,
        }),
    ],
    [
      'a query that sees more keys than there are',
      /^strandWeights: seen: /,
      (b) => b.strandWeights({...scores, seen: i(3), weights: f(16), inverse: f(1), zero: null}),
    ],
    [
      'queries of no strand',
      /^strandValues: strands: /,
      (b) =>
        b.strandValues({
          ...strands,
          queries: 2,
          seen: i(1, 1),
          valueRows: 4,
          vStride: 4,
          v: f(16),
          kept: i(1, 1),
          weights: f(16),
          inverse: f(2),
          out: f(8),
        }),
    ],
    [
      'a target outside of the vocabulary',
      /^tokenScores: targets: /,
      (b) => b.tokenScores({...scored, places: i(0), targets: i(4)}),
    ],
    [
      'a target of no row',
      /^tokenScores: places: /,
      (b) => b.tokenScores({...scored, places: i(1), targets: i(3)}),
    ],
    [
      'sizes that overflow',
      /^softmax: sizes whose product is too large$/,
      (b) => b.softmax({rows: 2 ** 40, n: 2 ** 40, x: f(1), y: f(1)}),
    ],
    [
      'sizes that are no whole numbers',
      /^softmax: rows: not a whole number/,
      (b) => b.softmax({rows: 1.5, n: 2, x: f(4), y: f(4)}),
    ],
    [
      'a negative size',
      /^softmax: rows: not a whole number/,
      (b) => b.softmax({rows: -1, n: 2, x: f(4), y: f(4)}),
    ],
    ['an unknown operation', /^unary: op: /, (b) => b.unary({op: 'cosh' as 'exp', x: f(4), y: f(4)})],
    [
      'an id outside of the table',
      /^gatherRows: ids: /,
      (b) => b.gatherRows({...ids, table: f(8), ids: i(4), y: f(2)}),
    ],
    [
      'a negative id',
      /^scatterAdd: ids: /,
      (b) => b.scatterAdd({...ids, ids: i(-1), dy: f(2), tableGrad: f(8)}),
    ],
    [
      'a copy out of bounds',
      /^copy: y: .* too short|^copy: x: .* too short/,
      (b) => b.copy({block: Float64Array.of(1, 1, 2, 4, 0, 0, 4, 1, 0, 0, 4, 1, 1, 0), x: f(8), y: f(8)}),
    ],
    [
      'a block that is too short',
      /^copy: block: /,
      (b) => b.copy({block: Float64Array.of(1), x: f(8), y: f(8)}),
    ],
    [
      'a target outside of the vocabulary',
      /^headLoss: targets: /,
      (b) => b.headLoss({...head, targets: i(4), logits: f(4), stateGrad: null, weightGrad: null}),
    ],
    [
      'tokens that overlap',
      /^attention: qStride: tokens that overlap$/,
      (b) =>
        b.attention({
          batch: 1,
          tokens: 2,
          heads: 2,
          kvHeads: 2,
          size: 4,
          window: 9,
          qStride: 4,
          q: f(64),
          kvStride: 8,
          k: f(64),
          v: f(64),
          zeroLogits: null,
          scale: 1,
          out: f(64),
          lse: f(64),
          zero: null,
        }),
    ],
    [
      'another kind of array',
      /^unary: x: not a typed array of its kind$/,
      (b) => b.unary({op: 'relu', x: new Float64Array(4) as unknown as Float32Array, y: f(4)}),
    ],
    [
      'more memory than Node takes from outside',
      /^allocate: length: .* \(1073741840; the limit is 1073741824\)$/,
      (b) => b.allocate({length: 2 ** 30 + 16}),
    ],
  ];

  it.each(CALLS)('%s', async (_name, message, call) => {
    const loaded = await loadBinding();
    if (!loaded.ok) throw new Error(loaded.reason);
    expect(() => call(loaded.binding)).toThrow(RangeError);
    expect(() => call(loaded.binding)).toThrow(message);
  });

  it('another number of arguments', () => {
    const addon = requireAddon({threads: []}) as {threads: (...args: unknown[]) => number};
    expect(() => addon.threads(1)).toThrow(
      /^threads: another number of arguments was expected \(1; the limit is 0\)$/,
    );
  });
});

describe('an addon that was built from other sources', () => {
  const REBUILD = /^it was built from other sources: .*; run `node native\/build\.mjs`$/;

  it.each([
    ['lacks a function', {softmin: ['x']}, {}],
    ['has arguments of other names', {softmax: ['rows', 'n', 'x', 'out']}, {}],
    ['has arguments in another order', {softmax: ['n', 'rows', 'x', 'y']}, {}],
    ['has more arguments', {softmax: ['rows', 'n', 'x']}, {}],
    ['has other numbers for an enumeration', {}, {Reduction: ['sum', 'max', 'mean']}],
  ])('is refused where it %s', (_name, functions, enums) => {
    expect(() => requireAddon(functions as Names, enums)).toThrow(REBUILD);
  });
});
