import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {
  Checkpoint,
  planWeights,
  writeWeights,
  type TensorLayout,
  type TensorSource,
} from '../../../src/checkpoint/index.js';
import {ORACLE} from '../../helpers/oracle.js';
import {freshTempFolder} from '../../helpers/temp.js';

const SHARDED = join(ORACLE, 'gpt2-sharded');

const temp = freshTempFolder();

const bytes = (name: string, count: number): TensorLayout => ({name, dtype: 'U8', shape: [count]});

/** The tensors of each planned file. */
const shards = (tensors: TensorLayout[], limit?: number) =>
  planWeights(tensors, limit).files.map(({name, starts}) => [name, ...[...starts.keys()].sort()]);

interface Index {
  metadata: {total_size: number};
  weight_map: Record<string, string>;
}
const readIndex = async (folder: string) =>
  JSON.parse(await readFile(join(folder, 'model.safetensors.index.json'), 'utf8')) as Index;

describe('planWeights', () => {
  it('is one file where all fits, at the limit too', () => {
    expect(shards([bytes('a', 6), bytes('b', 4)], 10)).toEqual([['model.safetensors', 'a', 'b']]);
    expect(shards([bytes('a', 6), bytes('b', 4)])).toEqual([['model.safetensors', 'a', 'b']]);
  });

  it('fills shards in order, and leaves a tensor above the limit alone', () => {
    const tensors = [bytes('a', 6), bytes('b', 5), bytes('big', 11), bytes('c', 5), bytes('d', 1)];
    // As huggingface_hub 1.33 splits a state dict of these sizes.
    expect(shards(tensors, 10)).toEqual([
      ['model-00001-of-00004.safetensors', 'a'],
      ['model-00002-of-00004.safetensors', 'big'],
      ['model-00003-of-00004.safetensors', 'b', 'c'],
      ['model-00004-of-00004.safetensors', 'd'],
    ]);
  });

  it('refuses a name that comes twice, in one shard or two', () => {
    expect(() => planWeights([bytes('a', 6), bytes('a', 6)])).toThrow(/twice/);
    expect(() => planWeights([bytes('a', 6), bytes('a', 6)], 6)).toThrow(/two shards/);
  });
});

describe('writeWeights', () => {
  it('writes the shards and the index that Transformers wrote', async () => {
    const original = await Checkpoint.open(SHARDED);
    const block = ['ln_1', 'attn.c_attn', 'attn.c_proj', 'ln_2', 'mlp.c_fc', 'mlp.c_proj'];
    const both = (module: string) => [`transformer.${module}.weight`, `transformer.${module}.bias`];
    const names = [
      'transformer.wte.weight',
      'transformer.wpe.weight',
      ...[0, 1, 2, 3, 4].flatMap((layer) => block.flatMap((module) => both(`h.${layer}.${module}`))),
      ...both('ln_f'),
    ];
    const sources = names.map((name): TensorSource => ({
      ...original.info(name),
      chunks: () => original.chunks(name),
    }));
    expect(sources).toHaveLength(original.tensors.size);
    // The order in which they are written decides nothing.
    const fill = {
      fill: async (writer: {writeAll(s: TensorSource[]): Promise<void>}) =>
        writer.writeAll(sources.toReversed()),
    };
    await writeWeights(temp.path(), sources, {maxShardBytes: 40_000, ...fill});
    const [ours, theirs] = [await readIndex(temp.path()), await readIndex(SHARDED)];
    expect(ours.weight_map).toEqual(theirs.weight_map);
    expect(Object.keys(ours.weight_map)).toEqual(Object.keys(theirs.weight_map));
    expect(ours.metadata.total_size).toBe(theirs.metadata.total_size);
    for (const file of new Set(Object.values(theirs.weight_map))) {
      const same = (await readFile(temp.path(file))).equals(await readFile(join(SHARDED, file)));
      expect(same, file).toBe(true);
    }
    await original.close();
  });

  it('refuses a tensor that was left out, or has no place', async () => {
    const x: TensorSource = {...bytes('x', 1), chunks: () => [new Uint8Array(1)]};
    const none = writeWeights(temp.path(), [x], {fill: () => Promise.resolve()});
    await expect(none).rejects.toThrow(/tensor x was not written/);
    const other = writeWeights(temp.path(), [x], {fill: (writer) => writer.write({...x, name: 'y'})});
    await expect(other).rejects.toThrow(/tensor y has no place/);
  });
});
