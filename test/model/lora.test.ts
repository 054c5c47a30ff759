import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {describeModel, FormatError, load, UsageError, type LoraConfig, type Model} from '../../src/index.js';
import {initialLora} from '../../src/model/lora.js';
import {expectClose} from '../helpers/close.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {Expected} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const LORA: Record<string, LoraConfig> = {
  gpt2: {rank: 3, alpha: 6, per: 'cycle', targets: ['attn.c_attn', 'mlp.c_proj']},
  opt: {rank: 2, alpha: 5, per: 'shared', targets: ['self_attn.q_proj', 'self_attn.v_proj', 'fc1']},
};

const temp = sharedTempFolder();
beforeAll(async () => {
  for (const [name, lora] of Object.entries(LORA)) await writeLoraModel(name, temp.path(name), lora);
});

async function idsOf(name: string): Promise<number[][]> {
  const expected = await Expected.open(name);
  const ids = await expected.ids();
  await expected.close();
  return ids;
}

describe.each(['native', 'wasm'])('a model with LoRA matrices on %s', (engine) => {
  describe.each(['gpt2', 'opt'])('%s', (name) => {
    let model: Model;
    let ids: number[][];
    beforeAll(async () => {
      ids = await idsOf(name);
      model = await load(temp.path(name), {engine});
    });
    afterAll(() => model.dispose());

    it('computes something else than without them, and the same where exits are checked and none is taken', async () => {
      const base = await load(`${temp.path(name)}-base`, {engine});
      const plain = await base.logits([ids[0]!]);
      base.dispose();
      const whole = await model.logits([ids[0]!]);
      expect(() => expectClose(whole.logits, plain.logits, 1e-2)).toThrow();
      const checked = await model.logits([ids[0]!], {threshold: 0.999999});
      expect(checked.slots).toEqual(whole.slots);
      expectClose(checked.logits, whole.logits, 1e-4, 'logit');
    });

    it('generates and scores by the same matrices', async () => {
      const row = {ids: ids[0]!, from: 1, contextLength: 4};
      const [score] = await model.score([row], {threshold: 1});
      const mean =
        score!.logProbabilities.reduce((sum, value) => sum + value, 0) / score!.logProbabilities.length;
      expect(await model.loss([ids[0]!])).toBeCloseTo(-mean, 4);
    });
  });
});

describe('LoRA in a checkpoint', () => {
  it('adds parameters and FLOPs', async () => {
    const [plain, lora] = [
      await describeModel(`${temp.path('gpt2')}-base`),
      await describeModel(temp.path('gpt2')),
    ];
    // Width 32, feed-forward 128: 8 slots, rank 3 on 32 -> 96 and 128 -> 32.
    const parameters = 8 * 3 * (32 + 96 + 128 + 32);
    expect(lora.lora).toEqual({...LORA.gpt2, parameters});
    expect(plain.lora).toBeNull();
    expect(lora.parameters.all - plain.parameters.all).toBe(parameters);
    expect(lora.flopsPerToken.fullDepth - plain.flopsPerToken.fullDepth).toBe(2 * parameters);
  });

  it('costs the exit check the part of q and k', async () => {
    const flops = async (folder: string) => {
      const model = await load(folder, {engine: 'wasm'});
      const row = {ids: [1, 2, 3, 4], from: 1, contextLength: 3};
      const [score] = await model.score([row], {threshold: 1e-9});
      model.dispose();
      return score!;
    };
    const [plain, lora] = [await flops(`${temp.path('opt')}-base`), await flops(temp.path('opt'))];
    expect([plain.exited, lora.exited, plain.slots]).toEqual([true, true, lora.slots]);
    // Of q and k only q has matrices; each slot has q, v (32 -> 32 each) and fc1 (32 -> 96).
    const perToken = lora.slots * 2 * 2 * (64 + 64 + 128) + 2 * 2 * 64;
    expect(lora.flops - plain.flops).toBe(3 * perToken);
  });

  it('is checked by name and shape', async () => {
    const path = join(temp.path('opt'), 'config.json');
    const text = await readFile(path, 'utf8');
    const broken = async (from: string, to: string) => {
      await writeFile(path, text.replace(from, to));
      await expect(describeModel(temp.path('opt'))).rejects.toThrow(FormatError);
      return describeModel(temp.path('opt')).catch((error: Error) => error.message);
    };
    expect(await broken('"rank": 2', '"rank": 3')).toMatch(
      /lora\.head\.0\.shared\.self_attn\.q_proj\.A is \[2, 32\], not \[3, 32\]/,
    );
    expect(await broken('"per": "shared"', '"per": "cycle"')).toMatch(
      /missing \(lora\.head\.0\.1\.self_attn\.q_proj\.A.*unexpected \(lora\.head\.0\.shared/,
    );
    expect(await broken('"fc1"', '"fc2"')).toMatch(/missing .*fc2\.A/);
    expect(await broken('"fc1"', '"fc7"')).toMatch(
      /lora\.targets are .*fc7; an opt block has .*fc1, fc2, each once/,
    );
    expect(await broken('"rank": 2', '"rank": 0')).toMatch(/lora\.rank/);
    await writeFile(path, text.replace(/"lora": \{[^}]*\},/, ''));
    await expect(describeModel(temp.path('opt'))).rejects.toThrow(/unexpected \(lora\./);
    await writeFile(path, text);
  });
});

describe('new LoRA matrices', () => {
  it('leave what the model computes as it was', async () => {
    const [row] = await idsOf('gpt2');
    const logits = async (lora?: LoraConfig) => {
      const model = await load(`${temp.path('gpt2')}-base`, {
        engine: 'wasm',
        lora: lora && {...lora, seed: 3},
      });
      const {logits} = await model.logits([row!]);
      model.dispose();
      return logits;
    };
    expect(await logits(LORA.gpt2)).toEqual(await logits());
  });

  it('begin as in PEFT: A uniform within 1 / sqrt(inputs), B zeros, by the seed', () => {
    const specs = [
      {name: 'lora.x.A', shape: [8, 400]},
      {name: 'lora.x.B', shape: [100, 8]},
    ];
    const [a, b] = [...initialLora(specs, 5)].map(({values}) => values);
    expect(Math.max(...a!)).toBeLessThanOrEqual(0.05);
    expect(Math.min(...a!)).toBeGreaterThanOrEqual(-0.05);
    const variance = a!.reduce((sum, value) => sum + value * value, 0) / a!.length;
    expectClose([variance], [0.05 ** 2 / 3], 5e-5, 'variance');
    expect(b!.every((value) => value === 0)).toBe(true);
    expect([...initialLora(specs, 5)][0]!.values).toEqual(a);
    expect([...initialLora(specs, 6)][0]!.values).not.toEqual(a);
  });

  it('are those that the model has, or refused', async () => {
    const folder = temp.path('gpt2');
    const kept = await load(folder, {engine: 'wasm', lora: {...LORA.gpt2!, seed: 9}});
    expect(
      kept
        .parameters()
        .get('lora.head.0.1.attn.c_attn.B')!
        .dataSync()
        .some((value) => value !== 0),
    ).toBe(true);
    kept.dispose();
    const other = load(folder, {engine: 'wasm', lora: {...LORA.gpt2!, rank: 4, seed: 9}});
    await expect(other).rejects.toThrow(UsageError);
    await expect(load(folder, {lora: {...LORA.gpt2!, rank: 4, seed: 9}})).rejects.toThrow(
      /has LoRA matrices of its own \(rank 3, alpha 6, per cycle, on .*\), not rank 4/,
    );
  });
});
