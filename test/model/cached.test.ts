import * as tf from '@tensorflow/tfjs-core';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {load, slots, UsageError, type Model} from '../../src/index.js';
import {cachedTokenBytes} from '../../src/model/index.js';
import {expectClose} from '../helpers/close.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {cover} from '../helpers/matrix.js';
import {Expected, THRESHOLDS, VARIANTS} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {setUpTensorflow, TENSORFLOW} from '../helpers/find-tensorflow.js';
import {loadVariant} from '../helpers/oracle-variant.js';

// On the native engine a token's values are the same bits with a cache; elsewhere other kernels round otherwise.
const ENGINES = [
  {
    engine: 'native',
    threads: 2,
    bound: 0,
    names: ['gpt2', 'opt', 'opt-350m-style', 'galactica-style', 'gpt2-inverse-layer-scale'],
  },
  {engine: 'wasm', threads: 1, bound: 2e-5, names: ['gpt2', 'opt-350m-style']},
  // Where $ZTT_TEST_TENSORFLOW says that there is one.
  ...(TENSORFLOW ? [{engine: 'tensorflow', threads: 2, bound: 2e-5, names: ['gpt2', 'opt-350m-style']}] : []),
];

beforeAll(() => {
  if (TENSORFLOW) setUpTensorflow();
});

const temp = sharedTempFolder();

describe.each(ENGINES)('a KV cache on engine $engine', ({engine, threads, bound, names}) => {
  describe.each(cover(names, VARIANTS))('$case', ({case: name, variants}) => {
    let ids: number[][];

    describe.each(variants)('%s', (variant) => {
      let model: Model;
      beforeAll(async () => {
        const expected = await Expected.open(name);
        ids = await expected.ids();
        model = await loadVariant(name, variant, expected, {engine, threads});
        await expected.close();
      });
      afterAll(() => model.dispose());

      it('gives the logits of one pass, token by token and in pieces', async () => {
        await expectAsWhole(model, ids, [1, 1, 1, 1], bound);
        await expectAsWhole(model, ids, [5, 1, 3], bound);
      });

      it('goes on from one context in several ways, and holds the context once', async () => {
        const context = ids[0]!.slice(0, 6);
        const ways = [[1, 2, 3], [4], [5, 6, 7, 8]];
        const cached = model.cached({logits: 'all'});
        const [start] = await cached.start([context]);
        const before = cached.bytes;
        const steps = await cached.continue(ways.map((ids) => ({after: start!.tokens, ids})));
        for (const [i, way] of ways.entries()) {
          const whole = await model.logits([[...context, ...way]]);
          const V = whole.shape[2];
          expectClose(steps[i]!.logits, whole.logits.subarray(context.length * V), bound, `way ${i} logit`);
          expect(steps[i]!.tokens.count).toBe(context.length + way.length);
        }
        const perToken = cachedTokenBytes(model.config);
        expect(perToken).toBe(slots(model.config.arrangement).length * 2 * model.config.arch.width * 4);
        expect(before).toBe(context.length * perToken);
        // 8 tokens more, and room.
        expect(cached.bytes).toBeLessThanOrEqual(1.5 * (context.length + 8) * perToken + 8 * perToken);
        cached.dispose();
        expect(cached.bytes).toBe(0);
      });

      if (!variant.startsWith('ztt')) return;
      it.each(THRESHOLDS)('keeps the exit of the prompt at threshold %d', async (threshold) => {
        const options = {threshold, exitFromCycle: 1};
        const row = ids[0]!;
        const whole = await model.logits([row], {...options, contextLength: 6});
        const cached = model.cached({...options, logits: 'all'});
        let [step] = await cached.start([row.slice(0, 6)]);
        const logits = [...step!.logits];
        const ran = [...step!.slotsPerToken];
        for (const id of row.slice(6)) {
          [step] = await cached.continue([{after: step!.tokens, ids: [id]}]);
          logits.push(...step!.logits);
          ran.push(...step!.slotsPerToken);
        }
        cached.dispose();
        expectClose(logits, whole.logits, bound, 'logit');
        expect(ran).toEqual(row.map(() => whole.slots.length));
      });
    });
  });

  it('gives what LoRA matrices of each cycle give', async () => {
    const lora = {
      rank: 2,
      alpha: 4,
      per: 'cycle',
      targets: ['attn.c_attn', 'attn.c_proj', 'mlp.c_fc', 'mlp.c_proj'],
    } as const;
    const folder = temp.path(`lora-${engine}`);
    await writeLoraModel('gpt2', folder, {...lora, targets: [...lora.targets]}, {});
    const model = await load(folder, {engine, threads});
    const ids = [
      [5, 9, 3, 77, 21, 40, 8],
      [60, 2, 13, 13, 70, 4, 99],
    ];
    await expectAsWhole(model, ids, [3, 1, 1, 2], Math.max(bound, 1e-5));
    for (const threshold of [0.3, 0.5]) {
      await expectAsWhole(model, ids, [3, 1, 1, 2], Math.max(bound, 1e-5), threshold);
    }
    model.dispose();
  });
});

describe('a KV cache', () => {
  let model: Model;
  beforeAll(async () => {
    const expected = await Expected.open('opt');
    model = await loadVariant('opt', 'ztt2', expected, {engine: 'native'});
    await expected.close();
  });
  afterAll(() => model.dispose());

  it('leaves no tensor behind', async () => {
    const before = tf.memory().numTensors;
    for (const threshold of [1, 0.3]) {
      for (const exitGranularity of ['sequence', 'token'] as const) {
        const cached = model.cached({threshold, exitGranularity});
        const steps = await cached.start([[1, 2, 3], [4]]);
        await cached.continue(steps.map(({tokens}) => ({after: tokens, ids: [7, 8]})));
        cached.dispose();
        expect(tf.memory().numTensors).toBe(before);
      }
    }
  });

  it('refuses more tokens than there are positions, and ids that are none', async () => {
    const cached = model.cached();
    const [step] = await cached.start([Array<number>(39).fill(3)]);
    const full = cached.continue([{after: step!.tokens, ids: [1, 2]}]);
    await expect(full).rejects.toThrow(/row 0 would have 41 tokens; this model takes 1 to 40/);
    await expect(cached.continue([{after: step!.tokens, ids: [101]}])).rejects.toThrow(UsageError);
    await expect(cached.start([])).rejects.toThrow(/no rows/);
    cached.dispose();
  });
});

/** Rows by pieces of these sizes (the last again until the end), against one pass. */
async function expectAsWhole(
  model: Model,
  ids: number[][],
  sizes: number[],
  bound: number,
  threshold = 1,
): Promise<void> {
  const options = {threshold, exitGranularity: 'token'} as const;
  const whole = await model.logits(ids, options);
  const V = whole.shape[2];
  const T = ids[0]!.length;
  const cached = model.cached({...options, logits: 'all'});
  let after: Awaited<ReturnType<typeof cached.start>> | undefined;
  for (let start = 0, piece = 0; start < T; piece++) {
    const size = sizes[Math.min(piece, sizes.length - 1)]!;
    const parts = ids.map((row) => row.slice(start, start + size));
    after = after
      ? await cached.continue(parts.map((ids, row) => ({after: after![row]!.tokens, ids})))
      : await cached.start(parts);
    for (const [row, {logits, slotsPerToken}] of after.entries()) {
      const from = row * T + start;
      expectClose(
        logits,
        whole.logits.subarray(from * V, from * V + logits.length),
        bound,
        `row ${row} logit`,
      );
      expect(slotsPerToken).toEqual(whole.slotsPerToken.subarray(from, from + slotsPerToken.length));
    }
    start += size;
  }
  cached.dispose();
}
