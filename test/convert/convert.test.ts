import {readFile, readdir, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint, convert, load, revert, UsageError} from '../../src/index.js';
import {middleSources} from '../../src/convert/index.js';
import {fromFloat32, toFloat32} from '../../src/checkpoint/index.js';
import {expectClose} from '../helpers/close.js';
import {CASES, Expected, ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';

const temp = freshTempFolder();

const source = (name: string) => join(ORACLE, name);

/** Every tensor of a checkpoint: dtype, shape and bytes in hex, by name. */
async function contents(path: string): Promise<Map<string, string>> {
  const checkpoint = await Checkpoint.open(path);
  const result = new Map<string, string>();
  for (const [name, {dtype, shape}] of checkpoint.tensors) {
    const chunks: Uint8Array[] = [];
    for await (const chunk of checkpoint.chunks(name)) chunks.push(chunk);
    result.set(name, `${dtype} ${shape.join('x')} ${Buffer.concat(chunks).toString('hex')}`);
  }
  await checkpoint.close();
  return result;
}

async function floats(path: string, name: string): Promise<Float32Array> {
  const checkpoint = await Checkpoint.open(path);
  const values = await checkpoint.readFloat32(name);
  await checkpoint.close();
  return values;
}

const BUFFER = /^h\.\d+\.attn\.bias$|rotary_emb\.inv_freq$/;

describe.each(CASES)('%s', (name) => {
  it('keeps every byte in vanilla, and revert gives the source back', async () => {
    const before = await contents(source(name));
    const report = await convert({source: source(name), output: temp.path('v'), layout: 'vanilla'});
    const dropped = [...before.keys()].filter((tensor) => BUFFER.test(tensor));
    expect(report).toMatchObject({layout: 'vanilla', cycles: 1, verified: 'bytes'});
    const after = await contents(temp.path('v'));
    for (const {name: ours, how, from} of report.certificate!.tensors) {
      expect(how).toBe('copied');
      expect(after.get(ours)).toBe(before.get(from[0]!));
    }
    expect(after.size).toBe(before.size - dropped.length);

    const reverted = await revert({model: temp.path('v'), output: temp.path('r')});
    expect(reverted).toMatchObject({unrolled: false, divergence: null, dropped, folded: []});
    for (const tensor of dropped) before.delete(tensor);
    expect(await contents(temp.path('r'))).toEqual(before);
    const config = async (folder: string) =>
      JSON.parse(await readFile(join(folder, 'config.json'), 'utf8')) as object;
    expect(await config(temp.path('r'))).toEqual(await config(source(name)));
  });

  it('gives the source its own logits, bit for bit, through vanilla', async () => {
    await convert({source: source(name), output: temp.path('v'), layout: 'vanilla'});
    const expected = await Expected.open(name);
    const ids = await expected.ids();
    await expected.close();
    const logitsOf = async (folder: string) => {
      const model = await load(folder, {engine: 'wasm'});
      const {logits} = await model.logits(ids);
      model.dispose();
      return logits;
    };
    expect(await logitsOf(temp.path('v'))).toEqual(await logitsOf(source(name)));
  });

  it('unrolls cycles into layers with the same logits', async () => {
    await convert({source: source(name), output: temp.path('h'), layout: 'htc', cycles: 2});
    await expect(revert({model: temp.path('h'), output: temp.path('r')})).rejects.toThrow(/needs --unroll/);
    const report = await revert({model: temp.path('h'), output: temp.path('r'), unroll: true});
    expect(report).toMatchObject({layers: 8, unrolled: true, divergence: null});
    const ids = [[5, 17, 40, 33, 24, 2, 9]];
    const logits = await Promise.all(
      [temp.path('h'), temp.path('r')].map(async (folder) =>
        (await load(folder, {engine: 'cpu'})).logits(ids),
      ),
    );
    expectClose(logits[1]!.logits, logits[0]!.logits, 1e-4, 'logit');
  });
});

describe('sharing', () => {
  it.each([
    ['first', 6, 3, [[0], [1], [2]]],
    ['last', 6, 3, [[3], [4], [5]]],
    ['stepwise', 7, 3, [[0], [3], [6]]],
    ['stepwise', 7, 1, [[0]]],
    // 3.5 is rounded up, 5/3 up and 10/3 down.
    ['stepwise', 8, 3, [[0], [4], [7]]],
    ['stepwise', 6, 4, [[0], [2], [3], [5]]],
    [
      'average',
      5,
      2,
      [
        [0, 2, 4],
        [1, 3],
      ],
    ],
    ['keep', 3, 3, [[0], [1], [2]]],
  ] as const)('%s takes %i layers to %i places', (share, m, K, expected) => {
    expect(middleSources(m, K, share)).toEqual(expected);
  });

  it('cycles fewer layers so that the executed depth stays, unless told otherwise', async () => {
    const options = {source: source('gpt2'), layout: 'ztt', middleLayers: 2, share: 'last'} as const;
    const report = await convert({...options, output: temp.path('a')});
    expect(report).toMatchObject({middle: 2, cycles: 2, slots: 6, share: 'last'});
    const dropped = report.certificate!.source_tensors.filter(({how}) => how === 'dropped');
    expect(dropped.every(({name}) => name.startsWith('transformer.h.1.'))).toBe(true);
    expect(dropped).toHaveLength(12);
    expect(await convert({...options, output: temp.path('b'), cycles: 5})).toMatchObject({
      cycles: 5,
      slots: 12,
    });
  });

  it.each(['gpt2', 'gpt2-fp16', 'gpt2-bf16'])(
    'averages %s in float32, rounded to its dtype',
    async (name) => {
      await convert({
        source: source(name),
        output: temp.path('a'),
        layout: 'bc',
        middleLayers: 2,
        share: 'average',
      });
      const tensor = 'mlp.c_fc.weight';
      const layers = await Promise.all(
        [0, 2, 4].map((i) => floats(source(name), `transformer.h.${i}.${tensor}`)),
      );
      const sum = layers[0]!.map((value, i) =>
        Math.fround(Math.fround(value + layers[1]![i]!) + layers[2]![i]!),
      );
      const dtype = name === 'gpt2-fp16' ? 'F16' : name === 'gpt2-bf16' ? 'BF16' : 'F32';
      const mean = toFloat32(
        fromFloat32(
          sum.map((value) => value / 3),
          dtype,
        ),
        dtype,
      );
      expect(await floats(temp.path('a'), `middle.0.${tensor}`)).toEqual(mean);
    },
  );

  it('folds the inverse layer scale into averaged queries, and uses it for layers taken whole', async () => {
    const name = 'gpt2-inverse-layer-scale';
    const options = {source: source(name), layout: 'bc', middleLayers: 2} as const;
    await convert({...options, output: temp.path('a'), share: 'average'});
    const [averaged, ...layers] = await Promise.all([
      floats(temp.path('a'), 'middle.1.attn.c_attn.bias'),
      ...[1, 3].map((i) => floats(source(name), `transformer.h.${i}.attn.c_attn.bias`)),
    ]);
    const factor = (i: number, layer: number) => (i < 32 ? 1 / (layer + 1) : 1);
    const mean = layers[0]!.map((value, i) => (value * factor(i, 1) + layers[1]![i]! * factor(i, 3)) / 2);
    expectClose(averaged, mean, 1e-6, 'bias');

    // Taking layers 3 and 4 whole must run them at scales 1/4 and 1/5: unrolled, those are folded in.
    await convert({...options, output: temp.path('l'), share: 'last', cycles: 1});
    const report = await revert({model: temp.path('l'), output: temp.path('r'), unroll: true});
    expect(report.folded).toHaveLength(4);
    const query = await floats(temp.path('r'), 'transformer.h.0.attn.c_attn.bias');
    const original = await floats(source(name), 'transformer.h.3.attn.c_attn.bias');
    expectClose(
      query,
      original.map((value, i) => value * factor(i, 3)),
      1e-6,
      'bias',
    );
  });
});

describe('zero keys', () => {
  const keys = async (
    zeroInit: 'normal' | 'zeros' | 'aligned',
    seed: number,
    name = 'gpt2',
    zeroInitBeta?: number,
  ) => {
    const output = temp.path(`${zeroInit}-${seed}-${zeroInitBeta}`);
    await convert({source: source(name), output, zeroInit, seed, zeroInitBeta});
    return floats(output, 'zero_tokens.key');
  };

  it('are normal with deviation 0.02 by default, the same for the same seed', async () => {
    const values = await keys('normal', 1);
    expect(values).toHaveLength(8 * 4 * 8);
    const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
    expect(deviation).toBeGreaterThan(0.017);
    expect(deviation).toBeLessThan(0.023);
    await rm(temp.path(), {recursive: true});
    expect(await keys('normal', 1)).toEqual(values);
    expect(await keys('normal', 2)).not.toEqual(values);
  });

  it('are zero when asked', async () => {
    expect((await keys('zeros', 0)).every((value) => value === 0)).toBe(true);
  });

  it.each(['gpt2', 'opt'])('aligned: a zero logit of -4 in %s where the query is its bias', async (name) => {
    const pool = await keys('aligned', 0, name);
    const bias =
      name === 'gpt2'
        ? await floats(source(name), 'transformer.h.4.attn.c_attn.bias')
        : await floats(source(name), 'model.decoder.layers.4.self_attn.q_proj.bias');
    const d = 8;
    for (let head = 0; head < 4; head++) {
      let logit = 0;
      // Slot 7 is the tail, layer 4.
      for (let i = 0; i < d; i++)
        logit += (bias[head * d + i]! * pool[(7 * 4 + head) * d + i]!) / Math.sqrt(d);
      expect(logit).toBeCloseTo(-4, 3);
    }
  });

  it('aligned takes another beta, which the config keeps', async () => {
    const [four, one] = [await keys('aligned', 0), await keys('aligned', 0, 'gpt2', 1)];
    expectClose(
      one,
      four.map((value) => value / 4),
      1e-6,
      'key',
    );
    const config = JSON.parse(await readFile(temp.path('aligned-0-1', 'config.json'), 'utf8')) as {
      ztt: {zero_init: unknown};
    };
    expect(config.ztt.zero_init).toEqual({kind: 'aligned', seed: 0, beta: 1});
    for (const beta of [0, NaN]) {
      await expect(keys('aligned', 0, 'gpt2', beta)).rejects.toThrow(/zero-init-beta is/);
    }
    await expect(keys('normal', 0, 'gpt2', 2)).rejects.toThrow(/goes with zero-init aligned/);
  });

  it('aligned is refused without query biases', async () => {
    await expect(keys('aligned', 0, 'galactica-style')).rejects.toThrow(UsageError);
    expect(await readdir(temp.path('.'))).toEqual([]);
  });
});

describe('revert', () => {
  it('writes shards as Transformers does, over an earlier output', async () => {
    await convert({source: source('gpt2'), output: temp.path('v'), layout: 'vanilla'});
    await convert({source: source('gpt2'), output: temp.path('r'), layout: 'bc'});
    const options = {model: temp.path('v'), output: temp.path('r')};
    await expect(revert(options)).rejects.toThrow(/r is not empty; .*--force/);
    await expect(revert({...options, output: temp.path('v'), force: true})).rejects.toThrow(
      /v is not replaced/,
    );
    const seen: number[] = [];
    const report = await revert({
      ...options,
      force: true,
      maxShardBytes: 40_000,
      onProgress: (done, total) => seen.push(done / total),
    });
    expect(report.source).toEqual({name: 'gpt2', revision: null});
    expect(seen.at(-1)).toBe(1);
    const names = (await readdir(temp.path('r'))).filter((name) => name.includes('safetensors'));
    expect(names).toHaveLength(1 + 8);
    expect(names).toContain('model-00008-of-00008.safetensors');
    expect(await contents(temp.path('r'))).toEqual(await contents(source('gpt2')));
  });
});

describe('revert of a ztt model', () => {
  it('asks for both flags, measures the KL, and writes what Transformers reads', async () => {
    await convert({
      source: source('gpt2-inverse-layer-scale'),
      output: temp.path('z'),
      layout: 'ztt',
      cycles: 2,
    });
    const plain = {model: temp.path('z'), output: temp.path('r')};
    await expect(revert(plain)).rejects.toThrow(/--unroll .* and --drop-zero-tokens/);
    await expect(revert({...plain, unroll: true})).rejects.toThrow(/--drop-zero-tokens/);
    const report = await revert({...plain, unroll: true, dropZeroTokens: true, engine: 'wasm'});
    expect(report.layers).toBe(8);
    expect(report.divergence!.meanNats).toBeGreaterThan(1e-4);
    expect(report.divergence!.meanNats).toBeLessThan(5);
    // The same as an htc model, which has no zero tokens.
    await convert({
      source: source('gpt2-inverse-layer-scale'),
      output: temp.path('h'),
      layout: 'htc',
      cycles: 2,
    });
    const [a, b] = await Promise.all(
      [temp.path('r'), temp.path('h')].map(async (folder) =>
        (await load(folder, {engine: 'cpu'})).logits([[3, 4, 5]]),
      ),
    );
    expectClose(a!.logits, b!.logits, 1e-4, 'logit');
  });
});
