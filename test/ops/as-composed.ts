import * as tf from '@tensorflow/tfjs-core';
import {describe, expect, it, vi} from 'vitest';
import {ENGINE_KERNELS, type EngineName, type Grouping, type KernelName} from '../../src/engine/index.js';
import {useEngine, type EngineOptions} from '../../src/index.js';
import {
  activation,
  causalAttention,
  causalMask,
  consecutiveRows,
  embedding,
  gated,
  groupedAttention,
  headCrossEntropy,
  layerNorm,
  linear,
  rmsNorm,
  rotate,
  RowPool,
  strandAttention,
  strandValues,
  strandWeights,
  tokenScores,
  zeroLogits,
  type ActivationName,
  type KeyView,
  type ZeroToken,
} from '../../src/ops/index.js';
import {AdamW, normOf, sumsOfSquares} from '../../src/finetune/step/adamw.js';
import {ADAMW_DEFAULTS} from '../../src/finetune/settings/optimizer-options.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {expectAsComposed as expectOpAsComposed, tensor, values, type Op} from './op-on-engine.js';

const ACTIVATIONS: ActivationName[] = ['gelu_new', 'gelu', 'relu', 'silu'];

/** Sizes that some engines are too slow for. */
export interface FusedCases {
  attention: readonly (readonly [T: number, d: number])[];
  /** Sizes of heads. */
  strands: readonly number[];
  /** Rows and vocabularies. */
  head: readonly (readonly [N: number, V: number])[];
}

export const FUSED_CASES: FusedCases = {
  attention: [1, 7, 48, 129].flatMap((T) => [16, 64, 80].map((d) => [T, d] as const)),
  strands: [5, 16, 64],
  // More rows than are computed at a time at last.
  head: [
    [1, 50257],
    [7, 131],
    [300, 17],
    [270, 20011],
  ],
};

/** The kernels of the contract that tfjs has for the engine in use, sorted by name. */
export function registeredKernels(): string[] {
  const names = tf.getKernelsForBackend(tf.getBackend()).map(({kernelName}) => kernelName);
  return names.filter((name) => name.startsWith('Ztt')).sort();
}

/**
 * Asserts that an engine's operations, values and gradients, are as their composed references on tfjs's own CPU
 * backend, that each runs the engine's kernels for it, and that the engine has no kernel that none of them runs.
 */
export function describeFusedOperations(
  engine: EngineOptions & {engine: EngineName},
  {attention, strands, head}: FusedCases = FUSED_CASES,
): void {
  const own: readonly KernelName[] = ENGINE_KERNELS[engine.engine];
  const compared = new Set<KernelName>();
  /** A test that these kernels are for: those among them that the engine has must run. */
  const of = <Args extends unknown[]>(names: KernelName[], test: (...args: Args) => Promise<void>) => {
    for (const name of names) compared.add(name);
    return async (...args: Args) => {
      const runKernel = vi.spyOn(tf.engine(), 'runKernel');
      try {
        await test(...args);
        const ran = new Set(runKernel.mock.calls.map(([name]) => name));
        expect(names.filter((name) => ran.has(name))).toEqual(names.filter((name) => own.includes(name)));
      } finally {
        runKernel.mockRestore();
      }
    };
  };

  describe('an operation, value and gradients, is as its composed reference', () => {
    const expectAsComposed = (op: Op, shapes: number[][]) => expectOpAsComposed(engine, op, shapes);

    it('is compared for every kernel that the engine has', async () => {
      expect(own.filter((name) => !compared.has(name))).toEqual([]);
      await useEngine(engine);
      expect(registeredKernels()).toEqual([...own].sort());
    });

    it.each(ACTIVATIONS)(
      'activation %s',
      of(['ZttActivation', 'ZttActivationGradient'], async (name) => {
        await expectAsComposed((x) => activation(x, name), [[3, 37]]);
      }),
    );

    it.each(ACTIVATIONS)(
      'linear through %s',
      of(['ZttLinear', 'ZttActivationGradient', 'ZttColumnSums'], async (name) => {
        const op: Op = (x, w, b) => linear(x, w, b, 'io', name);
        await expectAsComposed(op, [[2, 5, 7], [7, 33], [33]]);
      }),
    );

    it(
      'linear of weights the other way round, without a bias',
      of(['ZttLinear'], async () => {
        await expectAsComposed(
          (x, w) => linear(x, w, null, 'oi'),
          [
            [1, 1, 65],
            [17, 65],
          ],
        );
      }),
    );

    it.each([1, 7, 192, 1000])(
      'layer norm of %d columns',
      of(['ZttLayerNorm', 'ZttLayerNormGradient'], async (C) => {
        await expectAsComposed(
          (x, weight, bias) => layerNorm(x, {weight: weight, bias: bias}, 1e-5),
          [[3, 5, C], [C], [C]],
        );
        await expectAsComposed((x) => layerNorm(x, null, 1e-5), [[130, C]]);
      }),
    );

    it.each(attention)(
      'attention over %d tokens of heads of %d',
      of(['ZttAttention', 'ZttAttentionGradient', 'ZttZeroLogits', 'ZttZeroLogitsGradient'], async (T, d) => {
        const [B, H] = [2, 3];
        const options = {heads: H, scale: 1 / Math.sqrt(d)};
        const shape = [B, T, H * d];
        const withKey: Op = (qkv, key) =>
          causalAttention({qkv: qkv as tf.Tensor3D}, {...options, zero: {key: key}, mask: causalMask(T, 1)});
        await expectAsComposed(withKey, [
          [B, T, 3 * H * d],
          [H, d],
        ]);
        const apart: Op = (...tensors) => {
          const [q, k, v, logits] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor?];
          const zero = logits && {logits};
          return causalAttention({q, k, v}, {...options, zero, mask: causalMask(T, zero ? 1 : 0)});
        };
        await expectAsComposed(apart, [shape, shape, shape]);
        await expectAsComposed(apart, [shape, shape, shape, [B, H, T]]);
        const logits: Op = (q, key) => zeroLogits(q as tf.Tensor3D, key, options.scale);
        await expectAsComposed(logits, [shape, [H, d]]);
      }),
    );

    it('attention whose zero logits are made by zeroLogits is as with the zero key', async () => {
      const [B, T, H, d] = [2, 7, 3, 4];
      const options = {heads: H, scale: 0.4, mask: causalMask(T, 1)};
      const attend = (zeroOf: (q: tf.Tensor3D, key: tf.Tensor) => ZeroToken) => {
        const op: Op = (...tensors) => {
          const [q, k, v, key] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor];
          return causalAttention({q, k, v}, {...options, zero: zeroOf(q, key)});
        };
        return expectAsComposed(op, [
          [B, T, H * d],
          [B, T, H * d],
          [B, T, H * d],
          [H, d],
        ]);
      };
      const byKey = await attend((_q, key) => ({key}));
      const byLogits = await attend((q, key) => ({logits: zeroLogits(q, key, options.scale)}));
      for (const [i, expected] of byKey.entries()) expectNormClose(byLogits[i]!, expected, 1e-6, 0);
    });

    it.each([1, 7, 192, 1000])(
      'RMS norm of %d columns',
      of(['ZttRmsNorm', 'ZttRmsNormGradient'], async (C) => {
        for (const offset of [0, 1] as const) {
          await expectAsComposed((x, weight) => rmsNorm(x, weight, 1e-5, offset), [[3, 5, C], [C]]);
        }
      }),
    );

    it.each([
      [1, 2, 2],
      [7, 16, 16],
      [5, 40, 20],
      [3, 80, 12],
    ])(
      'rotation at %d places of heads of %d, of which %d turn',
      of(['ZttRotate'], async (T, d, r) => {
        const angles = values((T * r) / 2, 5).map((angle) => 10 * angle);
        const table = () => ({
          cos: tf.tensor2d(angles.map(Math.cos), [T, r / 2]),
          sin: tf.tensor2d(angles.map(Math.sin), [T, r / 2]),
        });
        await expectAsComposed((x) => rotate(x, table(), d), [[2, T, 3 * d]]);
        await expectAsComposed((x) => rotate(x, table(), d), [[T, d]]);
      }),
    );

    it.each(ACTIVATIONS)(
      'a gate through %s',
      of(['ZttGated', 'ZttGatedGradient'], async (name) => {
        const shape = [3, 5, 37];
        await expectAsComposed((gate, up) => gated(gate, up, name), [shape, shape]);
      }),
    );

    it.each(
      attention.flatMap(([T, d]) =>
        [
          [4, 2, null],
          [3, 1, 5],
          [2, 2, 60],
        ].map(([H, G, window]) => [T, d, H!, G!, window!] as const),
      ),
    )(
      'attention over %d tokens of %d, %d heads on %d of keys, a window of %s',
      of(['ZttGroupedAttention', 'ZttGroupedAttentionGradient'], async (T, d, H, G, window) => {
        const B = 2;
        const op: Op = (...tensors) => {
          const [q, k, v, zeroLogits] = tensors as [tf.Tensor3D, tf.Tensor3D, tf.Tensor3D, tf.Tensor3D?];
          const mask = causalMask(T, 0, window);
          const options = {heads: H, kvHeads: G, window, scale: 1 / Math.sqrt(d), zeroLogits, mask};
          return groupedAttention({q, k, v}, options);
        };
        const shapes = [H, G, G].map((heads) => [B, T, heads * d]);
        await expectAsComposed(op, shapes);
        await expectAsComposed(op, [...shapes, [B, H, T]]);
      }),
    );

    it.each(head)(
      'the head over %d rows of a vocabulary of %d',
      of(['ZttHeadLoss'], (N, V) => expectHeadAsComposed(engine, N, V)),
    );

    it.each([
      [1, 1],
      [3, 50257],
      [40, 131],
    ])(
      'scores of tokens, of %d rows of a vocabulary of %d',
      of(['ZttTokenScores'], async (N, V) => {
        const logits = values(N * V, 3).map((value) => 20 * value - 100);
        // Two rows that are alike, one target twice, and a row with two largest logits.
        const rows = Int32Array.from({length: N + 1}, (_, i) => (i * 7) % N);
        const targets = rows.map((row) => (row * 7919) % V);
        if (V > 9) logits.fill(50, 4, 6);
        const run = async (on: EngineOptions) => {
          await useEngine(on);
          const found = tf.tidy(() =>
            tokenScores(
              tf.tensor2d(logits, [N, V]),
              tf.tensor1d(targets, 'int32'),
              tf.tensor1d(rows, 'int32'),
            ),
          );
          const read = [await found.logProbabilities.data(), await found.best.data()] as const;
          tf.dispose([found.logProbabilities, found.best]);
          return read;
        };
        const [cpu, fused] = [await run({engine: 'cpu'}), await run(engine)];
        expectClose(fused[0], cpu[0], 1e-4, 'log-probability');
        expect(fused[1]).toEqual(cpu[1]);
      }),
    );

    it.each(strands)(
      'attention over strands, of heads of %d',
      of(['ZttStrandAttention', 'ZttStrandWeights', 'ZttStrandValues'], (d) =>
        expectStrandsAsComposed(engine, d),
      ),
    );

    it.each(strands)(
      'attention over strands with grouped heads and windows, of heads of %d',
      of(['ZttGroupedStrandAttention', 'ZttGroupedStrandWeights', 'ZttGroupedStrandValues'], async (d) => {
        await expectStrandsAsComposed(engine, d, {kvHeads: 1, window: null});
        await expectStrandsAsComposed(engine, d, {kvHeads: 2, window: 4});
        await expectStrandsAsComposed(engine, d, {kvHeads: 1, window: 33});
      }),
    );

    it(
      'rows that are added to a pool',
      of(['ZttAppendRows'], () => expectPoolAsComposed(engine)),
    );

    it('embeddings whose rows come more than once', async () => {
      const ids = tf.tensor2d([3, 1, 3, 0, 3, 1], [2, 3], 'int32');
      await expectAsComposed((table) => embedding(table, ids), [[5, 19]]);
      await expectAsComposed((table) => consecutiveRows(table, 2, 3), [[7, 19]]);
      ids.dispose();
    });

    it(
      'AdamW, step after step, and the norm of its gradients',
      of(['ZttAdamW', 'ZttSumSquares'], () => expectAdamWAsComposed(engine)),
    );
  });
}

/** Asserts that an engine's cross-entropy of the LM head, N rows of a vocabulary of V, is as the composed one. */
export async function expectHeadAsComposed(engine: EngineOptions, N: number, V: number): Promise<void> {
  const targets = tf.tensor1d(
    Array.from({length: N}, (_, i) => (i * 7919) % V),
    'int32',
  );
  const shares = Float32Array.from({length: N}, (_, i) => (i === 2 ? 0 : (i + 1) / N));
  const op: Op = (state, weight) =>
    headCrossEntropy(state as tf.Tensor2D, weight, targets, tf.tensor1d(shares));
  await expectOpAsComposed(engine, op, [
    [N, 24],
    [V, 24],
  ]);
  targets.dispose();
}

/** Asserts that an engine's AdamW, step after step, and its gradients' norm are as the composed ones. */
export async function expectAdamWAsComposed(engine: EngineOptions): Promise<void> {
  const shapes = {odd: [7, 143], even: [64, 96], one: [1], wide: [130, 131]};
  const train = async (on: EngineOptions) => {
    await useEngine(on);
    const named = Object.entries(shapes).map(
      ([name, shape], i) => [name, tf.variable(tensor(shape, i))] as const,
    );
    const parameters = new Map(named);
    const optimizer = new AdamW(parameters, (name) => name !== 'odd', ADAMW_DEFAULTS);
    const read: ArrayLike<number>[] = [];
    for (let step = 1; step <= 3; step++) {
      const gradients = new Map(named.map(([name, {shape}], i) => [name, tensor(shape, 10 * step + i)]));
      const norm = normOf((await sumsOfSquares(gradients.values()).data()) as Float32Array);
      // An engine that computes later has it as a tensor.
      const scale = step === 2 ? tf.scalar(1 / norm) : 1 / norm;
      optimizer.update(gradients, step, 0.1, scale);
      tf.dispose([scale]);
      tf.dispose([...gradients.values()]);
      read.push([norm]);
      // What was read before an update must not be read again after it.
      for (const variable of [...parameters.values(), ...optimizer.state().values()]) {
        read.push(await variable.data());
      }
    }
    optimizer.dispose();
    tf.dispose([...parameters.values()]);
    return read;
  };
  const [cpu, fused] = [await train({engine: 'cpu'}), await train(engine)];
  // In f32, 1 - beta2 is 1e-5 of itself away from what it should be.
  for (const [i, expected] of cpu.entries()) expectNormClose(fused[i]!, expected, 3e-5, 0, `array ${i}`);
}

/** Strands of few, many and one query, whose keys lie in several places; the last queries see all of them. */
const STRANDS = [
  {
    queries: 3,
    ranges: [
      {start: 90, count: 6},
      {start: 2, count: 3},
    ],
  },
  {
    queries: 70,
    ranges: [
      {start: 0, count: 1},
      {start: 20, count: 70},
    ],
  },
  {queries: 1, ranges: [{start: 60, count: 38}]},
];
const SEEN = STRANDS.flatMap(({queries, ranges}) => {
  const keys = ranges.reduce((sum, {count}) => sum + count, 0);
  return Array.from({length: queries}, (_, i) => keys - queries + i + 1);
});

/** Asserts that an engine's attention over strands, whole and in halves, is as the composed one. */
export async function expectStrandsAsComposed(
  engine: EngineOptions,
  d: number,
  grouped?: Grouping,
): Promise<void> {
  const heads = 2;
  const width = heads * d;
  const view: KeyView = {strands: STRANDS, seen: Int32Array.from(SEEN)};
  const few: KeyView = {
    strands: [STRANDS[0]!, STRANDS[2]!],
    seen: Int32Array.from([...SEEN.slice(0, 3), SEEN.at(-1)!]),
  };
  const run = async (on: EngineOptions, view: KeyView) => {
    await useEngine(on);
    const found = tf.tidy(() => {
      const queries = view.seen.length;
      const rows = tensor([100, 3 * width], 1) as tf.Tensor2D;
      const [q, k, v] = [
        tensor([queries, 2 * width], 2) as tf.Tensor2D,
        {rows, at: width},
        {rows, at: 2 * width},
      ];
      const scores = {q: {rows: q, at: width}, k, view, heads, width, scale: 1 / Math.sqrt(d), grouped};
      const zeroKey = tensor([heads, d], 3);
      const zero = {key: zeroKey};
      const whole = strandAttention({...scores, zero}, v);
      const logits = strandAttention({...scores, zero: {logits: tensor([queries, heads], 4)}}, v);
      const without = strandAttention(scores, v);
      const half = strandWeights({...scores, zero});
      // The last strand's values are not looked at.
      const kept = view.seen.map((_, i) => (i === queries - 1 || i % 3 === 1 ? 0 : 1));
      const strands = view.strands.map((strand, i) =>
        i === view.strands.length - 1 ? {...strand, ranges: [{start: 0, count: 38}]} : strand,
      );
      const values = strandValues(half.weights, v, kept, strands);
      return [whole.mixed, whole.zero!, logits.mixed, logits.zero!, without.mixed, half.zero!, values];
    });
    const read = await Promise.all(found.map((tensor) => tensor.data()));
    tf.dispose(found);
    return read as Float32Array[];
  };
  for (const each of [view, few]) {
    const [cpu, fused] = [await run({engine: 'cpu'}, each), await run(engine, each)];
    for (const [i, expected] of cpu.entries()) expectNormClose(fused[i]!, expected, 1e-5, 0, `result ${i}`);
  }
}

/** Asserts that an engine's pool of rows holds the columns that were added, also once it has grown. */
async function expectPoolAsComposed(engine: EngineOptions): Promise<void> {
  const run = async (on: EngineOptions) => {
    await useEngine(on);
    const pool = new RowPool(5);
    const sizes = [2, 1, 4, 3];
    for (const [i, rows] of sizes.entries()) {
      const added = tensor([rows, 11], i + 1) as tf.Tensor2D;
      expect(pool.append({rows: added, at: i})).toBe(sizes.slice(0, i).reduce((sum, n) => sum + n, 0));
      added.dispose();
    }
    const held = tf.slice(pool.rows, [0, 0], [pool.count, 5]);
    const read = await held.data();
    held.dispose();
    pool.dispose();
    return read as Float32Array;
  };
  expect(await run(engine)).toEqual(await run({engine: 'cpu'}));
}
