import {readdirSync} from 'node:fs';
import {cp, mkdir, readFile, rm, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {convert, exportOnnx, FileError, Tokenizer, UnsupportedError} from '../../src/index.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const temp = sharedTempFolder();
let model: string;
beforeAll(async () => {
  model = temp.path('model');
  await convert({source: join(FIXTURES, 'gpt2-books'), output: model, layout: 'ztt', cycles: 2});
});

const listing = (folder: string) => (readdirSync(folder, {recursive: true}) as string[]).sort();

describe('the folder of an export', () => {
  it('is what transformers.js reads', async () => {
    const output = temp.path('export');
    const {slots} = await exportOnnx({model, output});
    expect(listing(output)).toEqual([
      'config.json',
      'generation_config.json',
      'onnx',
      'onnx/model.onnx',
      'onnx/model.onnx_data',
      'tokenizer.json',
      'tokenizer_config.json',
    ]);
    // transformers.js has one place in its cache for each layer of GPT-2, with heads and width as there.
    const config = JSON.parse(await readFile(join(output, 'config.json'), 'utf8')) as object;
    expect(config).not.toHaveProperty('dtype');
    expect(config).toMatchObject({
      model_type: 'gpt2',
      n_layer: slots,
      n_head: 3,
      n_embd: 192,
      torch_dtype: 'float32',
      'transformers.js_config': {dtype: 'fp32', use_external_data_format: 1},
      ztt: {layout: 'ztt', cycles: 2},
    });
  });

  it('has a tokenizer.json where the model has vocab.json and merges.txt', async () => {
    const folder = join(FIXTURES, 'opt-tiny');
    const output = temp.path('opt');
    const {tokenizer} = await exportOnnx({model: folder, output});
    expect(tokenizer).toBe(true);
    for (const name of ['vocab.json', 'merges.txt', 'special_tokens_map.json']) await rm(join(output, name));
    const [before, after] = [await Tokenizer.load(folder), await Tokenizer.load(output)];
    expect(after.spec).toEqual(before.spec);
    // transformers.js reads special tokens here and nowhere else.
    const config: unknown = JSON.parse(await readFile(join(output, 'tokenizer_config.json'), 'utf8'));
    expect(config).toMatchObject({bos_token: {content: '</s>'}, pad_token: {content: '<pad>'}});
  });

  it('names the tokens that end and begin a text, which GPT-2 leaves to its class', async () => {
    const folder = temp.path('without-names');
    await cp(model, folder, {recursive: true});
    await writeFile(join(folder, 'tokenizer_config.json'), '{"model_max_length": 1024}');
    const output = temp.path('named');
    await exportOnnx({model: folder, output});
    const config: unknown = JSON.parse(await readFile(join(output, 'tokenizer_config.json'), 'utf8'));
    const end = '<|endoftext|>';
    expect(config).toEqual({model_max_length: 1024, bos_token: end, eos_token: end});
  });

  it('tells that a model has no tokenizer', async () => {
    const {tokenizer} = await exportOnnx({model: join(ORACLE, 'opt'), output: temp.path('without')});
    expect(tokenizer).toBe(false);
  });

  it('replaces an earlier export if asked to, and nothing else', async () => {
    const output = temp.path('again');
    await exportOnnx({model, output});
    await expect(exportOnnx({model, output})).rejects.toThrow(/is not empty; .* or give --force/);
    await exportOnnx({model, output, dtype: 'float16', force: true});
    expect(readdirSync(join(output, 'onnx'))).toEqual(['model_fp16.onnx', 'model_fp16.onnx_data']);
    await mkdir(join(output, 'mine'));
    const refused = exportOnnx({model, output, force: true});
    await expect(refused).rejects.toThrow(/is not replaced: it holds the folder mine/);
    await expect(exportOnnx({model, output: model, force: true})).rejects.toThrow(FileError);
  });

  it('appears whole or not at all', async () => {
    const output = temp.path('stopped');
    const stop = new AbortController();
    const onProgress = () => stop.abort(new Error('stopped'));
    await expect(exportOnnx({model, output, onProgress, signal: stop.signal})).rejects.toThrow('stopped');
    expect(readdirSync(temp.path()).filter((name) => name.includes('stopped'))).toEqual([]);
  });

  it('is no model to export again', async () => {
    const output = temp.path('first');
    await exportOnnx({model, output});
    const refused = exportOnnx({model: output, output: temp.path('second')});
    await expect(refused).rejects.toThrow(UnsupportedError);
    await expect(refused).rejects.toThrow(/an ONNX export; use the model that it was made from/);
  });

  it('has no more layers than a runtime can load', async () => {
    const deep = temp.path('deep');
    await convert({source: join(ORACLE, 'gpt2'), output: deep, layout: 'bc', cycles: 101});
    await expect(exportOnnx({model: deep, output: temp.path('deeper')})).rejects.toThrow(
      '505 layers would be written out; at most 500 can be: use fewer cycles.',
    );
  });

  it('has no value that half precision cannot hold', async () => {
    const large = temp.path('large');
    await cp(join(ORACLE, 'gpt2'), large, {recursive: true});
    const path = join(large, 'model.safetensors');
    const bytes = await readFile(path);
    // The last four bytes are a float32: 1e6.
    bytes.writeFloatLE(1e6, bytes.length - 4);
    await writeFile(path, bytes);
    const output = temp.path('overflow');
    const refused = exportOnnx({model: large, output, dtype: 'float16'});
    await expect(refused).rejects.toThrow(/1 values, up to 1\.000e\+6, are too large for float16/);
    expect(readdirSync(temp.path())).not.toContain('overflow');
  });
});
