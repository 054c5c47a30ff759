import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {CachedModel, Model} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {CASES, Expected, THRESHOLDS} from '../helpers/oracle.js';
import {setUpTensorflow, TENSORFLOW} from '../helpers/find-tensorflow.js';
import {loadVariant} from '../helpers/oracle-variant.js';

const ENGINES = [
  {engine: 'native', threads: 2, cases: CASES},
  {engine: 'wasm', threads: 1, cases: ['gpt2', 'opt-350m-style']},
  // Where $ZTT_TEST_TENSORFLOW says that there is one.
  ...(TENSORFLOW ? [{engine: 'tensorflow', threads: 2, cases: ['gpt2', 'opt-350m-style']}] : []),
];

beforeAll(() => {
  if (TENSORFLOW) setUpTensorflow();
});

describe.each(ENGINES)('exits by token on engine $engine', ({engine, threads, cases}) => {
  describe.each(cases)('%s', (name) => {
    let expected: Expected;
    let ids: number[][];
    let model: Model;

    beforeAll(async () => {
      expected = await Expected.open(name);
      ids = await expected.ids();
      model = await loadVariant(name, 'ztt2', expected, {engine, threads});
    });
    afterAll(async () => {
      model.dispose();
      await expected.close();
    });

    it.each(THRESHOLDS)('has the reference slots and logits at threshold %d', async (threshold) => {
      const {logits, slotsPerToken, zeroAttention} = await model.logits(ids, {
        threshold,
        exitGranularity: 'token',
      });
      expect([...slotsPerToken]).toEqual(await expected.integers(`ztt2.token-exit-${threshold}.slots`));
      expectClose(logits, await expected.floats(`ztt2.token-exit-${threshold}.logits`), 1e-4, 'logit');
      expect(zeroAttention).toBeNull();
    });

    it.each(THRESHOLDS)('has them with a KV cache at threshold %d', async (threshold) => {
      const cached = model.cached({threshold, exitGranularity: 'token', logits: 'all'});
      const steps = await generated(cached, ids, 5);
      cached.dispose();
      expect(steps.flatMap(({slots}) => slots)).toEqual(
        await expected.integers(`ztt2.token-exit-${threshold}.slots`),
      );
      const logits = Float32Array.from(steps.flatMap((step) => step.logits));
      expectClose(logits, await expected.floats(`ztt2.token-exit-${threshold}.logits`), 1e-4, 'logit');
    });

    it('gives at threshold 1 what no early exit gives, bit for bit', async () => {
      const plain = await model.logits(ids);
      const byToken = await model.logits(ids, {threshold: 1, exitGranularity: 'token'});
      expect(byToken.logits).toEqual(plain.logits);
      expect(new Set(byToken.slotsPerToken)).toEqual(new Set([plain.slots.length]));
      const above = await model.logits(ids, {threshold: 0.999_999, exitGranularity: 'token'});
      // The checks compute what they skip nowhere, in another order only where an engine has no kernel for them.
      expectClose(above.logits, plain.logits, engine === 'native' ? 0 : 1e-5, 'logit');
    });
  });
});

/** A prompt of so many tokens of each row, then one token at a time of all. */
async function generated(cached: CachedModel, ids: number[][], prompt: number) {
  let steps = await cached.start(ids.map((row) => row.slice(0, prompt)));
  const rows = steps.map(({logits, slotsPerToken}) => ({logits: [...logits], slots: [...slotsPerToken]}));
  for (let t = prompt; t < ids[0]!.length; t++) {
    steps = await cached.continue(steps.map(({tokens}, row) => ({after: tokens, ids: [ids[row]![t]!]})));
    for (const [row, {logits, slotsPerToken}] of steps.entries()) {
      rows[row]!.logits.push(...logits);
      rows[row]!.slots.push(...slotsPerToken);
    }
  }
  return rows;
}
