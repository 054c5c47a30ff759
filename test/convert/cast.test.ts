import {readdir, readFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {convert, load} from '../../src/index.js';
import {fromFloat32, toFloat32} from '../../src/checkpoint/index.js';
import {certified, copyWithValues, expectTrue} from '../helpers/certificates.js';
import {ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {tensorBytes} from '../helpers/tensor-bytes.js';

const temp = freshTempFolder();
/** Where conversions go. */
let output: string;
beforeEach(() => {
  output = temp.path('out');
});

const source = (name: string) => join(ORACLE, name);

describe('a cast', () => {
  it.each([
    ['gpt2', 'F32', 'float16', 'F16'],
    ['gpt2', 'F32', 'bfloat16', 'BF16'],
    ['gpt2-fp16', 'F16', 'float32', 'F32'],
    ['gpt2-fp16', 'F16', 'bfloat16', 'BF16'],
    ['gpt2-bf16', 'BF16', 'float16', 'F16'],
    ['opt-bin', 'F32', 'float16', 'F16'],
  ] as const)(
    'of %s from %s to %s rounds every parameter once, and no zero key',
    async (name, own, dtype, to) => {
      const certificate = await certified({output, source: source(name), dtype});
      await expectTrue(certificate, source(name), output);
      const [read, written] = [await tensorBytes(source(name)), await tensorBytes(output)];
      for (const {name: tensor, how, from, dtype: stored} of certificate.tensors) {
        if (how === 'made') expect([tensor, stored]).toEqual(['zero_tokens.key', 'F32']);
        else {
          expect([how, stored]).toEqual(['cast', to]);
          const values = toFloat32(read.get(from[0]!)!, own);
          expect(Buffer.from(fromFloat32(values, to)).equals(written.get(tensor)!), tensor).toBe(true);
        }
      }
      const config = JSON.parse(await readFile(join(output, 'config.json'), 'utf8')) as Record<
        string,
        unknown
      >;
      expect(config['torch_dtype']).toBe(dtype);
      expect(config['base_config']).toEqual(
        JSON.parse(await readFile(join(source(name), 'config.json'), 'utf8')),
      );
      expect((await load(output, {engine: 'cpu'})).config.ztt).not.toBe(null);
    },
  );

  it('to the dtype it has is a copy', async () => {
    const {tensors} = await certified({output, source: source('gpt2-bf16'), dtype: 'bfloat16'});
    expect(tensors.filter(({how}) => how === 'copied')).toHaveLength(tensors.length - 1);
  });

  it('of averages rounds once, from float32', async () => {
    const options = {source: source('gpt2'), layout: 'bc', middleLayers: 2, share: 'average'} as const;
    await convert({...options, output: temp.path('exact')});
    const certificate = await certified({...options, output, dtype: 'bfloat16'});
    await expectTrue(certificate, options.source, output);
    const [exact, rounded] = [await tensorBytes(temp.path('exact')), await tensorBytes(output)];
    const name = 'middle.1.mlp.c_fc.weight';
    const once = fromFloat32(toFloat32(exact.get(name)!, 'F32'), 'BF16');
    expect(Buffer.from(once).equals(rounded.get(name)!)).toBe(true);
  });

  it('measures what it costs', async () => {
    const {logits} = await certified({
      output,
      source: source('gpt2'),
      dtype: 'bfloat16',
      verify: 'logits',
      engine: 'wasm',
    });
    expect(logits!.plain_max_abs_difference).toBeGreaterThan(1e-5);
    expect(logits!.plain_max_abs_difference).toBeLessThan(0.2);
  });

  it.each([
    ['float16', 70_000, /h\.0\.mlp\.c_fc\.weight: 2 values, up to 7\.000e\+4, are too large for float16/],
    ['bfloat16', 3.4e38, /2 values, up to 3\.400e\+38, are too large for bfloat16/],
  ] as const)('to %s is refused where a value would become infinite', async (dtype, large, message) => {
    const path = temp.path('source');
    await copyWithValues(source('gpt2'), path, 'transformer.h.0.mlp.c_fc.weight', [large, -large]);
    const options = {source: path, output, dtype};
    await expect(convert(options)).rejects.toThrow(message);
    expect(await readdir(temp.path())).toEqual(['source']);
    await convert({...options, dtype: undefined});
  });
});
