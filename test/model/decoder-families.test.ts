import {readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint} from '../../src/checkpoint/index.js';
import {
  convert,
  exportOnnx,
  finetune,
  load,
  readMetrics,
  revert,
  rowFlops,
  slots,
  Tokenizer,
  UnsupportedError,
} from '../../src/index.js';
import {familyOf, parseArchitecture, type Architecture} from '../../src/model/index.js';
import {expectClose} from '../helpers/close.js';
import {Expected, FIXTURES, ORACLE, THRESHOLDS, VARIANTS} from '../helpers/oracle.js';
import {expectResumedAs, interruptAfter, SHORT_RUN} from '../helpers/short-run.js';
import {freshTempFolder} from '../helpers/temp.js';
import {makeTinyModel} from '../helpers/tiny-model.js';
import {loadVariant} from '../helpers/oracle-variant.js';

/** Cases of the families after Llama. */
const CASES = [
  'llama',
  'llama3',
  'llama-linear-biases',
  'mistral',
  'qwen2',
  'qwen2-yarn-window',
  'qwen3',
  'smollm3',
];

const temp = freshTempFolder();

type Config = Record<string, unknown>;

async function configOf(name: string, changes: Config = {}): Promise<Config> {
  const text = await readFile(join(ORACLE, name, 'config.json'), 'utf8');
  return {...(JSON.parse(text) as Config), ...changes};
}

const windowsOf = ({layers}: Architecture) => layers.map(({attention}) => attention.window);
const rotates = ({layers}: Architecture) => layers.map(({attention}) => attention.rotation !== null);
const frequenciesOf = ({layers}: Architecture) => layers[0]!.attention.rotation!.frequencies;

describe.each(CASES)('%s', (name) => {
  it('costs the FLOPs that the reference counts', async () => {
    const expected = await Expected.open(name);
    const arch = parseArchitecture(await configOf(name), name);
    const [, T] = expected.shape('input_ids') as [number, number];
    for (const variant of VARIANTS) {
      const {layout, cycles, head, tail} = expected.arrangement(variant);
      const L = arch.layers.length;
      const middleSources = Array.from({length: L - head - tail}, (_, i) => [head + i]);
      const arrangement = {layout, cycles, head, tail, middleSources, sourceLayers: L};
      const all = slots(arrangement).length;
      const row = {tokens: T, slots: all, exited: false, scored: T};
      expect(rowFlops(arch, arrangement, row), variant).toBe(Number(expected.metadata(`${variant}.flops`)));
    }
    await expected.close();
  });

  it('exits by the length-normalised score where the reference does', async () => {
    const expected = await Expected.open(name);
    const [row] = await expected.ids();
    const model = await loadVariant(name, 'ztt2', expected, {engine: 'native', threads: 2});
    for (const threshold of THRESHOLDS) {
      const options = {threshold, exitScore: 'length-normalised', contextLength: 9} as const;
      const {slots: ran} = await model.logits([row!], options);
      expect(ran).toEqual(JSON.parse(expected.metadata(`ztt2.exit-normalised-${threshold}.slots`)));
    }
    model.dispose();
    await expected.close();
  });

  it('comes back from a conversion byte for byte, and unrolled computes what its cycles did', async () => {
    const source = join(ORACLE, name);
    await convert({source, output: temp.path('vanilla'), layout: 'vanilla', verify: 'logits', engine: 'cpu'});
    await revert({model: temp.path('vanilla'), output: temp.path('back')});
    const [before, after] = [await Checkpoint.open(source), await Checkpoint.open(temp.path('back'))];
    // Frequencies of the rotation are no parameters.
    const kept = [...before.tensors.keys()].filter((tensor) => !tensor.endsWith('inv_freq'));
    expect([...after.tensors.keys()].sort()).toEqual(kept.sort());
    for (const tensor of kept) {
      expect(await after.readFloat32(tensor)).toEqual(await before.readFloat32(tensor));
    }
    await Promise.all([before.close(), after.close()]);
    await convert({source, output: temp.path('htc'), layout: 'htc', cycles: 2});
    await revert({model: temp.path('htc'), output: temp.path('unrolled'), unroll: true});
    const ids = [[1, 5, 9, 3, 20, 31, 7, 11, 2, 40]];
    const cycled = await load(temp.path('htc'), {engine: 'cpu'});
    const unrolled = await load(temp.path('unrolled'), {engine: 'cpu'});
    const [{logits: wanted}, {logits}] = [await cycled.logits(ids), await unrolled.logits(ids)];
    expectClose(logits, wanted, 1e-6, 'logit');
    cycled.dispose();
    unrolled.dispose();
  });
});

describe('configs', () => {
  const parse = async (name: string, changes: Config) =>
    parseArchitecture(await configOf(name, changes), name);

  it('say the same of rotation in old words and in new ones', async () => {
    const scaling = {
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 16,
    };
    const old = await parse('llama3', {});
    const renewed = await parse('llama3', {
      rope_scaling: undefined,
      rope_theta: undefined,
      rope_parameters: {...scaling, rope_type: 'llama3', rope_theta: 500_000},
    });
    expect(frequenciesOf(renewed)).toEqual(frequenciesOf(old));
    const plain = await parse('llama3', {rope_scaling: null});
    expect(frequenciesOf(plain)).not.toEqual(frequenciesOf(old));
    // Where both are, the older one counts.
    const both = await parse('llama3', {rope_parameters: {rope_type: 'default', rope_theta: 10}});
    expect(frequenciesOf(both)).toEqual(frequenciesOf(old));
    const above = await parse('llama3', {original_max_position_embeddings: 32});
    expect(frequenciesOf(above)).not.toEqual(frequenciesOf(old));
  });

  it('have the defaults of their families', async () => {
    expect(windowsOf(await parse('mistral', {sliding_window: undefined}))).toEqual(Array(5).fill(4096));
    expect(windowsOf(await parse('mistral', {sliding_window: null}))).toEqual(Array(5).fill(null));
    expect(windowsOf(await parse('qwen2', {}))).toEqual(Array(5).fill(null));
    expect(windowsOf(await parse('qwen2', {use_sliding_window: true}))).toEqual([null, null, 3, 3, 3]);
    const types = [
      'sliding_attention',
      'full_attention',
      'full_attention',
      'full_attention',
      'full_attention',
    ];
    const typed = {use_sliding_window: true, sliding_window: 7, layer_types: types};
    expect(windowsOf(await parse('qwen3', typed))).toEqual([7, null, null, null, null]);
    expect((await parse('qwen3', {head_dim: undefined})).headSize).toBe(128);
    expect((await parse('llama', {head_dim: null})).headSize).toBe(8);
    expect(rotates(await parse('smollm3', {no_rope_layers: null, no_rope_layer_interval: 3}))).toEqual([
      true,
      true,
      false,
      true,
      true,
    ]);
    expect((await parse('smollm3', {tie_word_embeddings: undefined})).lmHead.tied).toBe(true);
    expect((await parse('llama', {tie_word_embeddings: undefined})).lmHead.tied).toBe(false);
    expect((await parse('llama', {eos_token_id: [2, 5]})).eosTokenIds).toEqual([2, 5]);
  });

  it.for([
    [
      'llama',
      {rope_scaling: {type: 'dynamic', factor: 2}},
      /"dynamic" is not supported: .* length of the text/,
    ],
    ['llama', {rope_scaling: {rope_type: 'longrope', factor: 2}}, /"longrope" is not supported/],
    ['llama', {rope_scaling: {rope_type: 'proportional'}}, /"proportional" is not supported/],
    ['llama', {rope_scaling: {type: 'linear'}}, /rope_type linear needs factor/],
    ['llama', {rope_scaling: {rope_type: 'llama3', factor: 8}}, /rope_type llama3 needs low_freq_factor/],
    ['llama', {rope_scaling: 'linear'}, /rope_scaling/],
    ['llama', {rope_theta: -1}, /rope_theta/],
    ['llama', {rope_theta: NaN}, /rope_theta/],
    ['llama', {num_key_value_heads: 3}, /num_attention_heads 4 is no multiple of num_key_value_heads 3/],
    ['llama', {hidden_size: 30}, /hidden_size 30 is no multiple of num_attention_heads 4/],
    ['llama', {head_dim: 5}, /5 of a head's 5 dimensions would be rotated; it must be an even number/],
    ['llama', {head_dim: 1e9}, /head_dim/],
    ['llama', {num_hidden_layers: 1e9}, /num_hidden_layers/],
    ['llama', {hidden_act: 'quick_gelu'}, /the activation "quick_gelu" is not supported/],
    ['llama', {architectures: ['LlamaForSequenceClassification']}, /is no language model/],
    ['llama', {quantization_config: {}}, /quantized checkpoints are not supported/],
    ['qwen2', {layer_types: ['full_attention']}, /layer_types has 1 entries for 5 layers/],
    ['qwen2', {layer_types: Array(5).fill('chunked_attention')}, /layer_types/],
    ['smollm3', {no_rope_layers: [1, 0]}, /no_rope_layers has 2 entries for 5 layers/],
    ['mistral', {sliding_window: 0}, /sliding_window/],
  ] as const)('of %s with %o are refused', async ([name, changes, message]) => {
    await expect(parse(name, changes)).rejects.toThrow(message);
  });

  it('of some layers say which of them slide and rotate', async () => {
    const qwen = await configOf('qwen2-yarn-window');
    const some = familyOf(parseArchitecture(qwen, 'qwen')).withLayers(qwen, [0, 3, 3, 1]);
    expect(windowsOf(parseArchitecture(some, 'qwen'))).toEqual([null, 4, 4, null]);
    const smol = await configOf('smollm3');
    const few = familyOf(parseArchitecture(smol, 'smol')).withLayers(smol, [1, 1, 0]);
    expect(rotates(parseArchitecture(few, 'smol'))).toEqual([false, false, true]);
  });
});

describe('layers of different kinds', () => {
  it('are not averaged', async () => {
    const options = {output: temp.path('out'), layout: 'htc', middleLayers: 2, share: 'average'} as const;
    await expect(convert({source: join(ORACLE, 'qwen2-yarn-window'), ...options})).rejects.toThrow(
      /share average would average layers 1, 3 at middle layer 0, and 3 is of another kind than 1/,
    );
    await convert({source: join(ORACLE, 'qwen3'), ...options});
  });
});

/** A model's loss on the beginning of a text. */
async function lossOf(folder: string, text: string): Promise<number> {
  const tokenizer = await Tokenizer.load(folder);
  const ids = tokenizer.encode((await readFile(text, 'utf8')).slice(0, 4000));
  const model = await load(folder, {engine: 'native'});
  const loss = await model.loss(Array.from({length: 8}, (_, row) => ids.slice(48 * row, 48 * (row + 1))));
  model.dispose();
  return loss;
}

describe('training', () => {
  const LLAMA = {
    model_type: 'llama',
    vocab_size: 4096,
    max_position_embeddings: 64,
    hidden_size: 16,
    intermediate_size: 24,
    num_hidden_layers: 4,
    num_attention_heads: 4,
    num_key_value_heads: 2,
    tie_word_embeddings: true,
  };

  it.for([
    ['all', LLAMA, 0.05],
    [
      'lora+zero-tokens+norms',
      {
        ...LLAMA,
        model_type: 'qwen3',
        head_dim: 6,
        sliding_window: 9,
        use_sliding_window: true,
        max_window_layers: 2,
      },
      // The embedding, which is also the LM head, stays at random.
      0.002,
    ],
  ] as const)(
    'of %s brings the loss down, goes on where it was interrupted and checkpoints cycles',
    async ([train, config, least]) => {
      const model = temp.path('model');
      await makeTinyModel(model, {layout: 'ztt', cycles: 2}, config);
      const data = [join(FIXTURES, 'books_train.txt')];
      const options = {...SHORT_RUN, model, data, train, steps: 12, lr: 3e-2, batchSize: 4};
      await finetune({...options, output: temp.path('run')});
      const losses = (await readMetrics(temp.path('run'))).flatMap(({loss}) => loss ?? []);
      expect(losses[0]).toBeGreaterThan(8);
      expect(await lossOf(temp.path('run'), data[0]!)).toBeLessThan((await lossOf(model, data[0]!)) - least);
      await interruptAfter(2, {...options, output: temp.path('again')});
      await expectResumedAs(temp.path('run'), {...options, output: temp.path('again')});
      await finetune({...options, output: temp.path('kept'), checkpointCycles: true});
      const kept = (await readMetrics(temp.path('kept'))).flatMap(({loss}) => loss ?? []);
      // Later steps magnify how sums are rounded.
      expectClose(kept.slice(0, 4), losses.slice(0, 4), 1e-4, 'loss');
    },
  );
});

describe('export', () => {
  it('is refused for now', async () => {
    const model = join(ORACLE, 'llama');
    const exported = exportOnnx({model, output: temp.path('onnx')});
    await expect(exported).rejects.toThrow(UnsupportedError);
    await expect(exported).rejects.toThrow(/Llama models cannot be exported to ONNX yet/);
  });
});
