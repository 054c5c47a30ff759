import {readdirSync} from 'node:fs';
import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {convert, planConversion} from '../../src/index.js';
import {parseArchitecture} from '../../src/model/index.js';
import {requireMemoryToLoad} from '../../src/convert/proof/compare-logits.js';
import {CountingFiles} from '../helpers/counting-files.js';
import {CASES, ORACLE} from '../helpers/oracle.js';
import {OPT_13B, writeSparse} from '../helpers/sparse-checkpoint.js';
import {freshTempFolder} from '../helpers/temp.js';

const temp = freshTempFolder();

const everything = () => readdirSync(temp.path(), {recursive: true}).sort();

describe('a plan', () => {
  it.each(CASES)('of %s is what the conversion then does', async (name) => {
    const options = {
      source: join(ORACLE, name),
      output: temp.path('out'),
      middleLayers: 2,
      // Layers with a window and layers without one have no mean.
      share: name === 'qwen2-yarn-window' ? 'first' : 'average',
      maxShardBytes: 20_000,
    } as const;
    const {ledger, disk, memory, ...summary} = await planConversion(options);
    expect(everything()).toEqual([]);
    const {certificate, verified, ...report} = await convert(options);
    expect(verified).toBe('bytes');
    expect(summary).toEqual(report);
    const unhashed = (entries: {sha256: string}[]) =>
      entries.map(({sha256, ...rest}) => (expect(sha256).toHaveLength(64), rest));
    expect(unhashed(certificate!.source_tensors)).toEqual(ledger.source);
    expect(unhashed(certificate!.tensors)).toEqual(ledger.target);
    expect(summary.files.length).toBeGreaterThan(1);
    expect(disk).toMatchObject({download: 0, write: summary.files.reduce((sum, {bytes}) => sum + bytes, 0)});
    expect(disk.free).toBeGreaterThan(disk.write);
    expect(memory.load).toBeGreaterThan(4 * summary.parameters.source);
  });

  it('reads headers alone', async () => {
    const files = new CountingFiles(join(ORACLE, 'gpt2'));
    const plan = await planConversion({
      source: files,
      origin: {name: 'openai-community/gpt2', revision: 'abc'},
      output: temp.path('out'),
    });
    expect(plan.source).toEqual({name: 'openai-community/gpt2', revision: 'abc'});
    expect(files.bytes).toBeLessThan(20_000);
    expect(files.opened).toBe(0);
    expect(plan.disk.download).toBeGreaterThan(250_000);
  });

  it('refuses what the conversion would refuse', async () => {
    const source = join(ORACLE, 'gpt2');
    await mkdir(temp.path('out'));
    await writeFile(temp.path('out', 'mine'), '');
    const refusals: [object, RegExp][] = [
      [{output: temp.path('out')}, /out is not empty; .*--force/],
      [{output: temp.path('out'), force: true}, /it has no config\.json of a model/],
      [{output: temp.path('new'), cycles: 0}, /cycles is 0/],
      [{output: temp.path('new'), dtype: 'int8'}, /no dtype "int8"; there are float32, float16, bfloat16/],
      [{output: temp.path('new'), maxShardBytes: 0}, /max-shard-size is 0/],
    ];
    for (const [options, message] of refusals) {
      await expect(planConversion({source, output: '', ...options})).rejects.toThrow(message);
    }
    expect(everything()).toEqual(['out', 'out/mine']);
  });
});

describe('large models', () => {
  it('plans OPT-13b from the headers of its shards', async () => {
    await writeSparse(temp.path('opt-13b'), OPT_13B, 'F16', 10e9);
    const plan = await planConversion({source: temp.path('opt-13b'), output: temp.path('out')});
    // As Transformers counts it.
    expect(plan.parameters.source).toBe(12_853_473_280);
    expect(plan.ledger.source).toHaveLength(4 + 40 * 16);
    expect(plan.tensors).toEqual({copied: 644, cast: 0, averaged: 0, made: 1, dropped: 0});
    expect(plan).toMatchObject({head: 1, middle: 38, tail: 1, cycles: 2, slots: 78});
    expect(plan.files).toHaveLength(6);
    const written = plan.disk.write - 2 * plan.parameters.source - 4 * 78 * 5120;
    expect(written).toBeGreaterThan(0);
    expect(written).toBeLessThan(200_000);
    expect(plan.memory.load).toBeGreaterThan(4 * 12.85e9);
    const half = await planConversion({
      source: temp.path('opt-13b'),
      output: temp.path('out'),
      middleLayers: 19,
      dtype: 'float32',
      maxShardBytes: 1e12,
    });
    expect(half.files).toHaveLength(1);
    expect(half.tensors).toMatchObject({cast: 4 + 21 * 16, dropped: 19 * 16});
    expect(half.parameters.converted / half.parameters.source).toBeLessThan(0.6);
    expect(everything()).toHaveLength(1 + 1 + 1 + 3);
  });

  it('are not loaded where they do not fit', () => {
    const arch = parseArchitecture({...OPT_13B, num_hidden_layers: 10_000}, 'the test');
    expect(() => requireMemoryToLoad(arch)).toThrow(
      /loads the model in float32, which takes about 12\d{3}\.\d GB of memory; [\d.]+ GB are free here\. Use verify bytes/,
    );
  });

  it('knows offsets beyond 4 GiB', async () => {
    const config = {...OPT_13B, num_hidden_layers: 8};
    await writeSparse(temp.path('source'), config, 'F32', 1e12);
    const {files} = await planConversion({
      source: temp.path('source'),
      output: temp.path('out'),
      maxShardBytes: 1e12,
    });
    expect(files).toHaveLength(1);
    expect(files[0]!.bytes).toBeGreaterThan(2 * 2 ** 32);
  });
});
