import {readFileSync} from 'node:fs';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {z} from 'zod';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {randomTensor} from '../../src/convert/from-scratch/random-tensors.js';
import {valuesOf} from '../../src/convert/source/tensor-source.js';
import {
  describeModel,
  FormatError,
  init,
  load,
  Tokenizer,
  UsageError,
  type Architecture,
} from '../../src/index.js';
import {familyOf, modelTensors, parseArchitecture, vanilla} from '../../src/model/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeTinyModel, TOKENIZER} from '../helpers/tiny-model.js';

const temp = sharedTempFolder();

const statistics = z.object({
  shape: z.array(z.number()),
  mean: z.number(),
  std: z.number(),
  within_one_std: z.number(),
  zero_rows: z.array(z.number()),
});
type Statistics = z.output<typeof statistics>;
const fixture = z
  .object({
    cases: z.record(
      z.string(),
      z.object({config: z.record(z.string(), z.unknown()), tensors: z.record(z.string(), statistics)}),
    ),
  })
  .parse(JSON.parse(readFileSync(join(FIXTURES, 'init.json'), 'utf8')));

function statisticsOf(values: Float32Array, shape: number[]): Statistics {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const std = Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / n);
  const width = shape.at(-1)!;
  const rows = Array.from({length: n / width}, (_, row) => values.subarray(row * width, (row + 1) * width));
  return {
    shape,
    mean,
    std,
    within_one_std: values.filter((value) => Math.abs(value - mean) <= std).length / n,
    zero_rows: shape.length === 2 ? rows.flatMap((row, i) => (row.every((v) => v === 0) ? [i] : [])) : [],
  };
}

/** Transformers' name of a parameter of a `vanilla` model. */
function hubName(name: string, arch: Architecture): string {
  const {prefixes, layerPrefix} = familyOf(arch);
  return name === 'lm_head.weight' ? name : prefixes[0] + name.replace(/^middle\./, layerPrefix);
}

describe('random weights', () => {
  it.each(Object.entries(fixture.cases))(
    'are distributed as those that Transformers gives %s',
    async (_, {config, tensors}) => {
      const arch = parseArchitecture(config, 'config');
      const specs = modelTensors(arch, vanilla(arch.layers.length));
      expect(specs.map(({name}) => hubName(name, arch)).sort()).toEqual(Object.keys(tensors).sort());
      const values = familyOf(arch).initialValues.parse(config);
      for (const spec of specs) {
        const theirs = tensors[hubName(spec.name, arch)]!;
        const ours = statisticsOf(await valuesOf(randomTensor(arch, spec, values, 3)), spec.shape);
        expect(ours.shape).toEqual(theirs.shape);
        expect(ours.zero_rows, spec.name).toEqual(theirs.zero_rows);
        // Six standard errors of the difference of two samples.
        const error = 6 * Math.sqrt(2 / theirs.shape.reduce((n, size) => n * size, 1));
        expect(Math.abs(ours.mean - theirs.mean), spec.name).toBeLessThanOrEqual(error * theirs.std);
        expect(Math.abs(ours.std - theirs.std), spec.name).toBeLessThanOrEqual(error * theirs.std);
        expect(Math.abs(ours.within_one_std - theirs.within_one_std), spec.name).toBeLessThan(error);
      }
    },
  );
});

describe('init', () => {
  it('makes a model like a converted one, of each layout', async () => {
    for (const layout of ['vanilla', 'bc', 'htc', 'ztt'] as const) {
      const output = temp.path(layout);
      await makeTinyModel(output, {layout});
      const described = await describeModel(output);
      expect(described).toMatchObject({kind: 'ztt', layout, source: {name: 'random'}});
      expect(described.dtypes).toMatchObject([{dtype: 'F32'}]);
    }
    const ids = (await Tokenizer.load(temp.path('ztt'))).encode('It was a dark and stormy night.');
    const model = await load(temp.path('ztt'), {engine: 'wasm'});
    // A random model knows nothing: its loss is that of a uniform guess.
    expect(await model.loss([ids])).toBeCloseTo(Math.log(4096), 1);
    const {slots} = await model.logits([ids], {threshold: 0.01});
    expect(slots.length).toBeLessThan(4);
    model.dispose();
  });

  it('depends on the seed alone', async () => {
    for (const [name, seed] of [
      ['a', 1],
      ['b', 1],
      ['c', 2],
    ] as const) {
      await makeTinyModel(temp.path(name), {seed});
    }
    const bytes = (name: string) => readFile(temp.path(name, 'model.safetensors'));
    expect((await bytes('a')).equals(await bytes('b'))).toBe(true);
    const [a, c] = await Promise.all(
      ['a', 'c'].map((name) => SafetensorsFile.open(temp.path(name, 'model.safetensors'))),
    );
    for (const name of ['wte.weight', 'zero_tokens.key', 'middle.0.mlp.c_fc.weight']) {
      const [one, other] = await Promise.all([a!, c!].map((file) => file.readFloat32(name)));
      expect(one, name).not.toEqual(other);
    }
    await Promise.all([a!.close(), c!.close()]);
  });

  it('takes the shape of a model, and its tokenizer', async () => {
    const report = await init({baseConfig: TOKENIZER, output: temp.path('books'), layout: 'htc'});
    expect(report).toMatchObject({layout: 'htc', head: 1, middle: 6, tail: 1, cycles: 2, vocabulary: 4096});
    const again = await init({baseConfig: temp.path('books'), output: temp.path('again'), layout: 'vanilla'});
    expect(again).toMatchObject({layout: 'vanilla', middle: 8, vocabulary: 4096});
  });

  it('puts the vocabulary of another tokenizer into the config', async () => {
    const config = JSON.parse(await readFile(temp.path('ztt', 'config.json'), 'utf8')) as {
      base_config: object;
    };
    expect(config.base_config).toMatchObject({vocab_size: 4096, bos_token_id: 0, eos_token_id: 0});
  });

  it('refuses what cannot be', async () => {
    const baseConfig = temp.path('bad.json');
    const config = JSON.parse(await readFile(join(TOKENIZER, 'config.json'), 'utf8')) as object;
    const output = temp.path('bad');
    await writeFile(baseConfig, JSON.stringify(config));
    await expect(init({baseConfig, output})).rejects.toThrow(/has no tokenizer; .* --tokenizer/);
    await expect(init({baseConfig, output, seed: 0.5})).rejects.toThrow(UsageError);
    await expect(init({baseConfig, output, tokenizer: TOKENIZER, head: 8})).rejects.toThrow(
      /no middle layer/,
    );
    await expect(init({baseConfig: temp.path('none'), output})).rejects.toThrow(/does not exist/);
    await writeFile(baseConfig, JSON.stringify({...config, n_embd: 'wide'}));
    await expect(init({baseConfig, output, tokenizer: TOKENIZER})).rejects.toThrow(FormatError);
    await writeFile(baseConfig, '{');
    await expect(init({baseConfig, output, tokenizer: TOKENIZER})).rejects.toThrow(/no valid JSON/);
  });
});
