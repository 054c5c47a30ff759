import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {EngineOptions, Model} from '../../src/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {cover, FULL, type Cell} from '../helpers/matrix.js';
import {CASES, Expected, THRESHOLDS, VARIANTS, type Variant} from '../helpers/oracle.js';
import {hasSwiftShader, useSwiftShader, WITHOUT_SWIFTSHADER} from '../helpers/swiftshader.js';
import {setUpTensorflow, TENSORFLOW, TENSORFLOW_HINT} from '../helpers/find-tensorflow.js';
import {loadVariant, sourceName} from '../helpers/oracle-variant.js';

/** The engines that every machine has, and the native one at several thread counts. */
const ENGINES = [
  {engine: 'native', threads: 1},
  {engine: 'native', threads: 2},
  {engine: 'native', threads: 3},
  {engine: 'wasm', threads: 1},
  {engine: 'cpu', threads: 1},
];

describe.each(ENGINES.map((engine, shift) => ({...engine, shift})))(
  'engine $engine on $threads threads',
  ({engine, threads, shift}) => {
    holdsAgainstTheOracle({engine, threads}, cover(CASES, VARIANTS, {shift}));
  },
);

describe.skipIf(!TENSORFLOW)(`engine tensorflow${TENSORFLOW_HINT}`, () => {
  beforeAll(setUpTensorflow);
  holdsAgainstTheOracle({engine: 'tensorflow', threads: 2}, cover(CASES, VARIANTS, {shift: ENGINES.length}));
});

describe.runIf(hasSwiftShader)(`engine webgpu on SwiftShader${WITHOUT_SWIFTSHADER}`, () => {
  beforeAll(useSwiftShader);
  // A program that plays a GPU takes minutes for all cases. The others are about files, and the other variants are
  // parts of this one.
  const cells = FULL ? cover(CASES, VARIANTS) : [{case: 'gpt2', variants: ['ztt2' as const]}];
  holdsAgainstTheOracle({engine: 'webgpu'}, cells);
});

function holdsAgainstTheOracle(engine: EngineOptions, cells: Cell<string, Variant>[]): void {
  describe.each(cells)('$case', ({case: name, variants}) => {
    let expected: Expected;
    let ids: number[][];

    beforeAll(async () => {
      expected = await Expected.open(name);
      ids = await expected.ids();
    });
    afterAll(() => expected.close());

    describe.each(variants)('%s', (variant) => {
      let model: Model;

      beforeAll(async () => {
        model = await loadVariant(name, variant, expected, engine);
      });
      afterAll(() => model.dispose());

      it('has the reference logits and zero attention', async () => {
        const {logits, shape, slots, zeroAttention} = await model.logits(ids);
        expect(shape).toEqual(expected.shape(`${variant}.logits`));
        expectClose(logits, await expected.floats(`${variant}.logits`), 1e-4, 'logit');
        if (!expected.has(`${variant}.zero_attention`)) {
          expect(zeroAttention).toBeNull();
          return;
        }
        expect(slots).toEqual(slots.map((_, i) => i));
        expectClose(
          zeroAttention!,
          await expected.floats(`${variant}.zero_attention`),
          1e-5,
          'zero attention',
        );
      });

      it('has the reference loss', async () => {
        expectClose([await model.loss(ids)], [Number(expected.metadata(`${variant}.loss`))], 1e-5, 'loss');
      });

      it('has the reference gradients', async () => {
        const gradients = await model.gradients(ids);
        const wanted = expected.names(`${variant}.grad.`);
        for (const [parameter, gradient] of gradients) {
          const key =
            parameter === 'zero_tokens.key'
              ? `${variant}.grad.zero_keys`
              : `${variant}.grad.${sourceName(parameter, model)}`;
          if (wanted.includes(key)) {
            expectNormClose(gradient, await expected.floats(key), 1e-4, 1e-6, key);
          }
        }
        const compared = [...gradients.keys()].length;
        // The expectations hold every parameter's gradient for vanilla and ztt2, and the zero keys' for the others.
        if (variant === 'vanilla' || variant === 'ztt2') expect(wanted).toHaveLength(compared);
      });

      if (variant === 'ztt2') {
        it.each(THRESHOLDS)('exits where the reference does at threshold %d', async (threshold) => {
          const {logits, slots} = await model.logits([ids[0]!], {threshold, contextLength: 9});
          expect(slots).toEqual(JSON.parse(expected.metadata(`ztt2.exit-${threshold}.slots`)));
          expectClose(logits, await expected.floats(`ztt2.exit-${threshold}.logits`), 1e-4, 'logit');
        });

        it.each(THRESHOLDS)("takes a slot's own threshold in place of %d", async (threshold) => {
          const wanted = JSON.parse(expected.metadata(`ztt2.exit-${threshold}.slots`)) as number[];
          const row = [ids[0]!];
          const z = await expected.floats('ztt2.zero_attention');
          const [S, B, H, T] = expected.shape('ztt2.zero_attention') as [number, number, number, number];
          const score = (slot: number) => {
            const head = (h: number) => z.subarray((slot * B * H + h) * T, (slot * B * H + h) * T + 9);
            const all = Array.from({length: H}, (_, h) => [...head(h)]).flat();
            return all.reduce((sum, value) => sum + value, 0) / all.length;
          };
          // Slots where the second cycle's middle layers are checked.
          const middle = (S - 2) / 2;
          const checked = Array.from({length: middle}, (_, i) => 1 + middle + i);
          const exit = checked.find((slot) => score(slot) > threshold);
          const without = (from: number | undefined) =>
            Array.from({length: S}, (_, slot) => slot).filter(
              (slot) => from === undefined || slot < from || slot === S - 1,
            );
          expect(wanted).toEqual(without(exit));
          if (exit === undefined) return;
          const alone = await model.logits(row, {
            threshold: 1,
            slotThresholds: {[exit]: threshold},
            contextLength: 9,
          });
          expect(alone.slots).toEqual(wanted);
          expectClose(alone.logits, await expected.floats(`ztt2.exit-${threshold}.logits`), 1e-4, 'logit');
          const later = checked.find((slot) => slot > exit && score(slot) > threshold);
          const past = {threshold, slotThresholds: {[exit]: 1}, contextLength: 9};
          expect((await model.logits(row, past)).slots).toEqual(without(later));
        });
      }
    });
  });
}
