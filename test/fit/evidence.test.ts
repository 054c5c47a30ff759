import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {exitSlots, type Model} from '../../src/model/index.js';
import {fitExits} from '../../src/fit/index.js';
import {expectClose} from '../helpers/close.js';
import {Expected} from '../helpers/oracle.js';
import {loadVariant} from '../helpers/oracle-variant.js';

describe.each(['gpt2', 'opt'])('what is known of exits, on %s', (name) => {
  let expected: Expected;
  let ids: number[][];
  let model: Model;

  beforeAll(async () => {
    expected = await Expected.open(name);
    ids = await expected.ids();
    model = await loadVariant(name, 'ztt2', expected, {engine: 'native', threads: 2});
  });
  afterAll(async () => {
    model.dispose();
    await expected.close();
  });

  it('has the cost of each exit that scoring at every exit gives', async () => {
    const slot = exitSlots(model.config.arrangement, 2)[0]!;
    const [evidence] = await model.exitEvidence(ids, {slots: new Set([slot]), tokensPerRow: 3});
    const rows = ids.map((row) => ({ids: row, from: 1, contextLength: row.length - 1}));
    const exits = await model.scoreExits(rows);
    const loss = (at: number | null) =>
      exits
        .find((exit) => exit.slot === at)!
        .scores.map(
          ({logProbabilities}) => -logProbabilities.reduce((a, b) => a + b, 0) / logProbabilities.length,
        );
    const full = loss(null);
    expect(evidence!.slot).toBe(slot);
    expectClose(
      evidence!.costs,
      loss(slot).map((value, row) => value - full[row]!),
      1e-6,
      'cost',
    );
    expect(Math.max(...evidence!.costs.map(Math.abs))).toBeGreaterThan(1e-4);
  });

  it('has the queries and the other keys that make up zero attention', async () => {
    const slot = exitSlots(model.config.arrangement, 2)[0]!;
    const length = ids[0]!.length - 1;
    const [evidence] = await model.exitEvidence(ids, {slots: new Set([slot]), tokensPerRow: length});
    const {zeroAttention} = await model.logits([ids[0]!.slice(0, -1)]);
    const [H, T] = [model.config.arch.heads, length];
    for (const [head, {key, queries, others}] of evidence!.heads.entries()) {
      const d = key.length;
      const z = Array.from({length}, (_, token) => {
        const product = key.reduce((sum, k, i) => sum + k * queries[token * d + i]!, 0);
        return 1 / (1 + Math.exp(others[token]! - evidence!.scale * product));
      });
      const wanted = zeroAttention!.slice((slot * H + head) * T, (slot * H + head + 1) * T);
      expectClose(z, wanted, 1e-6, `zero attention of head ${head}`);
    }
  });

  it('is not more than it is asked for', async () => {
    const slot = exitSlots(model.config.arrangement, 2)[0]!;
    const [evidence] = await model.exitEvidence(ids, {slots: new Set([slot]), tokensPerRow: 2});
    expect(evidence!.rows).toHaveLength(2 * ids.length);
    expect(evidence!.heads[0]!.others).toHaveLength(2 * ids.length);
  });

  it('refuses too few rows and a price that is no number', async () => {
    await expect(fitExits(model, {rows: ids})).rejects.toThrow(/at least 16/);
    const rows = Array.from({length: 16}, (_, i) => ids[i % ids.length]!);
    await expect(fitExits(model, {rows, price: NaN})).rejects.toThrow(/number of nats/);
  });

  it('draws apart rows whose exit costs much and little', async () => {
    // Random models have no reason to differ by text, but keys can tell a few rows apart.
    const V = model.config.arch.vocabulary;
    const rows = Array.from({length: 24}, (_, i) =>
      Array.from({length: 9}, (_, t) => (7 * i + 13 * t * t + i * t) % V),
    );
    const [exit] = await fitExits(model, {rows});
    expect(exit!.wanted).toBeGreaterThan(0.2);
    expect(exit!.wanted).toBeLessThan(0.8);
    expect(exit!.zeroAttention.wanted).toBeGreaterThan(exit!.zeroAttention.others);
    expect(exit!.price).toBe(exit!.cost.mean);
  });
});
