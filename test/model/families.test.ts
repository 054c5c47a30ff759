import {readdirSync} from 'node:fs';
import {readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {
  Checkpoint,
  convert,
  FormatError,
  load,
  SafetensorsFile,
  UnsupportedError,
  writeSafetensors,
} from '../../src/index.js';
import type {TensorSource} from '../../src/checkpoint/index.js';
import {mapTensors, readModelConfig} from '../../src/model/index.js';
import {expectClose} from '../helpers/close.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const FAMILIES = join(FIXTURES, 'families');
const CASES = readdirSync(FAMILIES);

const temp = sharedTempFolder();

/** What is left out of each case, and how often; nothing of the others. */
const LEFT_OUT: Record<string, RegExp[]> = {
  crfm: [/\.attn\.bias$/, /\.attn\.masked_bias$/],
  'gpt2-old': [/^h\.\d\.attn\.bias$/],
  'gpt2-bool-masks': [/\.attn\.bias$/, /\.attn\.masked_bias$/],
  'gpt2-double-heads': [/^multiple_choice_head\./],
  'gpt2-value-head': [/^v_head\./],
  'opt-first': [/^decoder\.version$/],
  'opt-value-head': [/^v_head\./],
};

async function integers(file: SafetensorsFile, name: string): Promise<number[][]> {
  const [rows, columns] = file.info(name).shape as [number, number];
  const chunks: Uint8Array[] = [];
  for await (const chunk of file.chunks(name)) chunks.push(chunk);
  const bytes = Buffer.concat(chunks);
  const flat = Array.from({length: rows * columns}, (_, i) => Number(bytes.readBigInt64LE(8 * i)));
  return Array.from({length: rows}, (_, row) => flat.slice(row * columns, (row + 1) * columns));
}

describe.each(CASES)('%s', (name) => {
  const source = join(FAMILIES, name);

  it('has the logits that Transformers gives, as it is and converted', async () => {
    const expected = await SafetensorsFile.open(join(source, 'expected.safetensors'));
    const ids = await integers(expected, 'input_ids');
    const wanted = await expected.readFloat32('logits');
    await expected.close();
    const output = temp.path(name);
    await convert({source, output, layout: 'vanilla'});
    for (const path of [source, output]) {
      const model = await load(path, {engine: 'wasm'});
      const {logits} = await model.logits(ids);
      model.dispose();
      expectClose(logits, wanted, 1e-4, 'logit');
    }
  });

  it('leaves out what is no parameter, by name', async () => {
    const checkpoint = await Checkpoint.open(source);
    const dropped = [...mapTensors(checkpoint, await readModelConfig(source)).dropped.keys()];
    await checkpoint.close();
    const patterns = LEFT_OUT[name] ?? [];
    for (const pattern of patterns) expect(dropped.some((tensor) => pattern.test(tensor))).toBe(true);
    expect(dropped.filter((tensor) => !patterns.some((pattern) => pattern.test(tensor)))).toEqual([]);
  });
});

describe('a tied config beside another head', () => {
  it.each(['gpt2-other-head', 'opt-other-head'])(
    'of %s is told, and what is made of it is untied',
    async (name) => {
      const source = join(FAMILIES, name);
      const output = temp.path(`${name}-noted`);
      const {notes} = await convert({
        source,
        output,
        head: 0,
        tail: 0,
        cycles: 2,
        verify: 'logits',
        engine: 'wasm',
      });
      expect(notes).toEqual([
        expect.stringMatching(/lm_head\.weight is stored with other values; the stored head is used/),
      ]);
      const {base_config: base, tie_word_embeddings: tied} = JSON.parse(
        await readFile(join(output, 'config.json'), 'utf8'),
      ) as {base_config: {tie_word_embeddings: boolean}; tie_word_embeddings: boolean};
      expect([tied, base.tie_word_embeddings]).toEqual([false, false]);
      const model = await load(output, {engine: 'wasm'});
      expect(model.config).toMatchObject({arch: {lmHead: {tied: false}}, notes: []});
      model.dispose();
    },
  );

  it('is not told where the stored head is the embedding', async () => {
    const {notes} = await convert({
      source: join(FAMILIES, 'opt-sharded'),
      output: temp.path('same'),
      layout: 'vanilla',
    });
    expect(notes).toEqual([]);
  });
});

/** A copy of a case with its config and tensors edited. */
async function edited(
  name: string,
  edit: {config?: Record<string, unknown>; tensors?: (sources: TensorSource[]) => TensorSource[]},
): Promise<string> {
  const folder = temp.path(`edited-${Math.random()}`);
  await convert({source: join(FAMILIES, name), output: folder, layout: 'vanilla'});
  const config = JSON.parse(await readFile(join(FAMILIES, name, 'config.json'), 'utf8')) as object;
  await writeFile(join(folder, 'config.json'), JSON.stringify({...config, ...edit.config}));
  const original = await Checkpoint.open(join(FAMILIES, name));
  const sources = [...original.tensors.values()].map(({name, dtype, shape}) => ({
    name,
    dtype,
    shape,
    chunks: () => original.chunks(name),
  }));
  const path = temp.path(`${Math.random()}.safetensors`);
  await writeSafetensors(path, edit.tensors?.(sources) ?? sources);
  await original.close();
  await writeFile(join(folder, 'model.safetensors'), await readFile(path));
  return folder;
}

const extra = (name: string, shape = [2, 3]) => ({
  name,
  dtype: 'F32' as const,
  shape,
  chunks: () => [new Uint8Array(4 * shape.reduce((n, size) => n * size, 1))],
});

describe('is refused with a sentence that helps:', () => {
  it.each<[string, string, Parameters<typeof edited>[1], typeof UnsupportedError, RegExp]>([
    ...['deepseek_v3', 'bert', 'gpt_neo', 'gptj', 'gpt_bigcode', 'openai-gpt', 'xglm'].map(
      (type) =>
        [
          type,
          'gpt2-untied',
          {config: {model_type: type}},
          UnsupportedError,
          new RegExp(
            `model_type "${type}" is not supported; GPT-2 \\("gpt2"\\), OPT \\("opt"\\), .* and SmolLM3 \\("smollm3"\\) checkpoints are`,
          ),
        ] as [string, string, object, typeof UnsupportedError, RegExp],
    ),
    [
      'no type and no class',
      'gpt2-untied',
      {config: {model_type: undefined, architectures: undefined}},
      FormatError,
      /at model_type: it is missing; "gpt2", "opt", .* or "smollm3" say which network this is/,
    ],
    [
      'a classifier',
      'opt-untied',
      {config: {architectures: ['OPTForSequenceClassification']}},
      UnsupportedError,
      /"OPTForSequenceClassification" is no language model; use the model that it was made from/,
    ],
    [
      'a config of bitsandbytes',
      'opt-untied',
      {config: {quantization_config: {load_in_8bit: true}}},
      UnsupportedError,
      /quantized checkpoints are not supported; use the original weights/,
    ],
    [
      'GPTQ without a config',
      'opt-untied',
      {tensors: (sources) => [...sources, extra('model.decoder.layers.0.fc1.qweight')]},
      UnsupportedError,
      /is a quantized checkpoint \(it has "model\.decoder\.layers\.0\.fc1\.qweight"\)/,
    ],
    [
      'bitsandbytes without a config',
      'opt-untied',
      {tensors: (sources) => [...sources, extra('model.decoder.layers.0.fc1.SCB')]},
      UnsupportedError,
      /is a quantized checkpoint/,
    ],
    [
      'an untied config without a head',
      'opt-post-norm',
      {config: {tie_word_embeddings: false}},
      FormatError,
      /1 missing \(lm_head\.weight\)/,
    ],
    [
      'missing, unexpected and mismatched tensors together',
      'gpt2-untied',
      {
        tensors: (sources) => [
          ...sources.filter(({name}) => !/ln_f\.bias|wpe/.test(name)),
          extra('transformer.wpe.weight'),
          extra('transformer.h.0.attn.rotary.inv_freq'),
          extra('score.weight'),
        ],
      },
      FormatError,
      /1 missing \(transformer\.ln_f\.bias\); 2 unexpected \((transformer\.h\.0\.attn\.rotary\.inv_freq, score\.weight|score.weight, transformer\.h\.0\.attn\.rotary\.inv_freq)\); 1 mismatched \(transformer\.wpe\.weight is \[2, 3\], not \[12, 16\]\)/,
    ],
    [
      'a mask where no layer is',
      'crfm',
      {tensors: (sources) => [...sources, extra('transformer.h.x.attn.bias')]},
      FormatError,
      /1 unexpected \(transformer\.h\.x\.attn\.bias\)/,
    ],
    [
      'an adapter inside the weights',
      'opt-untied',
      {tensors: (sources) => [...sources, extra('model.decoder.layers.0.fc1.lora_A.weight')]},
      FormatError,
      /1 unexpected \(model\.decoder\.layers\.0\.fc1\.lora_A\.weight\)/,
    ],
  ])('%s', async (_, name, edit, kind, message) => {
    const folder = await edited(name, edit);
    const refused = convert({source: folder, output: temp.path('out')});
    await expect(refused).rejects.toThrow(kind);
    await expect(refused).rejects.toThrow(message);
    expect(readdirSync(temp.path())).not.toContain('out');
  });

  it.each([
    ['adapter_config.json', /is an adapter and not a whole model; merge it into its base model/],
    ['tf_model.h5', /is TensorFlow weights; load them in Transformers 4/],
    ['flax_model.msgpack', /is Flax weights/],
    ['model.onnx', /is an ONNX export/],
    ['opt-125m.Q4_K_M.gguf', /is GGUF weights, made for llama\.cpp/],
    ['gpt2-fp16.safetensors', /but "gpt2-fp16\.safetensors"; give that file itself/],
    ['README.md', /is no checkpoint: it has neither model\.safetensors nor pytorch_model\.bin/],
  ])('a folder with %s and no weights', async (file, message) => {
    const folder = await edited('opt-post-norm', {});
    await writeFile(join(folder, file), '');
    await rm(join(folder, 'model.safetensors'));
    await expect(convert({source: folder, output: temp.path('out')})).rejects.toThrow(message);
  });

  it('weights without a config', async () => {
    const folder = await edited('opt-post-norm', {});
    await rm(join(folder, 'config.json'));
    for (const source of [folder, join(folder, 'model.safetensors')]) {
      await expect(convert({source, output: temp.path('out')})).rejects.toThrow(
        `${folder} has no config.json; the model's own must lie beside its weights.`,
      );
    }
  });

  it('a pointer of Git LFS', async () => {
    const folder = await edited('opt-post-norm', {});
    await writeFile(
      join(folder, 'model.safetensors'),
      'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    );
    await expect(convert({source: folder, output: temp.path('out')})).rejects.toThrow(
      /is no weights but a pointer of Git LFS to them; run `git lfs pull` there/,
    );
  });
});
