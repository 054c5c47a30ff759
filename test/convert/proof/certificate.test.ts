import {readFileSync, writeFileSync} from 'node:fs';
import {cp, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {beforeEach, describe, expect, it} from 'vitest';
import {convert, describeModel, LAYOUTS, load, type Certificate} from '../../../src/index.js';
import {prepare} from '../../../src/convert/plan/prepare.js';
import {verifyTensors} from '../../../src/convert/proof/verify.js';
import {CERTIFICATE, certified, copyWithValues, expectTrue} from '../../helpers/certificates.js';
import {expectClose} from '../../helpers/close.js';
import {cover} from '../../helpers/matrix.js';
import {CASES, FIXTURES, ORACLE} from '../../helpers/oracle.js';
import {freshTempFolder} from '../../helpers/temp.js';
import {sha256} from '../../helpers/tensor-bytes.js';

const temp = freshTempFolder();
/** Where conversions go. */
let output: string;
beforeEach(() => {
  output = temp.path('out');
});

const source = (name: string) => join(ORACLE, name);

describe.each(cover(CASES, LAYOUTS))('$case', ({case: name, variants}) => {
  it.each(variants)('as %s: every tensor of both sides, by its sha256', async (layout) => {
    const certificate = await certified({output, source: source(name), layout});
    await expectTrue(certificate, source(name), output);
    expect(certificate).toMatchObject({
      version: 1,
      verified: 'bytes',
      logits: null,
      source: {name, revision: null},
    });
    for (const [file, digest] of Object.entries(certificate.source.files)) {
      expect(digest, file).toBe(sha256(readFileSync(join(source(name), file))));
    }
    const shards = (await readdir(source(name))).filter((file) =>
      /^(model.*\.safetensors|.*\.bin)$/.test(file),
    );
    expect(Object.keys(certificate.source.files).sort()).toEqual(shards.sort());
    expect((await describeModel(output)).certificate).toEqual(certificate);
  });

  it('predicts the same with one cycle and without zero tokens, and says how far it is with them', async () => {
    const notes: string[] = [];
    const certificate = await certified({
      output,
      source: source(name),
      verify: 'logits',
      engine: 'wasm',
      onNote: (note) => notes.push(note),
    });
    expect(notes[0]).toMatch(
      /loaded in float32, one after the other: about 0\.4 GB of memory, [\d.]+ GB are free/,
    );
    const {logits, verified} = certificate;
    expect(verified).toBe('logits');
    expect(logits).toMatchObject({engine: 'wasm', probe: 'random ids', plain_max_abs_difference: 0});
    expect(logits!.mean_kl).toBeGreaterThan(1e-5);
    expect(logits!.source_loss).not.toBe(logits!.converted_loss);
    // Random ids of 101 tokens: a random model is about as good as log 101.
    expect(logits!.source_loss).toBeGreaterThan(3);
    expect(logits!.source_loss).toBeLessThan(8);
  });
});

describe('the ledger', () => {
  it('names the slots that share a tensor', async () => {
    const {tensors} = await certified({output, source: source('gpt2'), cycles: 3});
    const slots = (name: string) => tensors.find((tensor) => tensor.name === name)!.slots;
    expect(slots('head.0.ln_1.weight')).toEqual([0]);
    expect(slots('middle.1.ln_1.weight')).toEqual([2, 5, 8]);
    expect(slots('tail.0.ln_1.weight')).toEqual([10]);
    expect(slots('wte.weight')).toBe(null);
  });

  it('tells buffers, layers without a place, and averages apart', async () => {
    const options = {source: source('gpt2-hub-names'), layout: 'htc', middleLayers: 2} as const;
    const stepwise = await certified({...options, output, share: 'first'});
    const why = (certificate: Certificate, name: string) =>
      certificate.source_tensors.find((tensor) => tensor.name === name)!.why;
    expect(why(stepwise, 'h.3.attn.bias')).toMatch(/^a buffer: the causal mask, which/);
    expect(why(stepwise, 'h.3.ln_1.bias')).toBe('layer 3 has no place in the layout');
    expect(why(stepwise, 'h.1.ln_1.bias')).toBe(null);
    await expectTrue(stepwise, options.source, output);
    const average = await certified({...options, output, share: 'average', force: true});
    await expectTrue(average, options.source, output);
    const target = average.tensors.find(({name}) => name === 'middle.0.ln_1.bias')!;
    expect(target).toMatchObject({how: 'averaged', from: ['h.1.ln_1.bias', 'h.3.ln_1.bias']});
    const member = average.source_tensors.find(({name}) => name === 'h.3.ln_1.bias')!;
    expect(member).toMatchObject({how: 'averaged', to: 'middle.0.ln_1.bias'});
  });

  it.each([
    ['crfm', /\.attn\.bias$/, /^a buffer: the causal mask, which/],
    ['crfm', /\.attn\.masked_bias$/, /^a buffer: the causal mask's fill value/],
    ['opt-first', /\.version$/, /^a buffer: fairseq's format version/],
    [
      'gpt2-double-heads',
      /^multiple_choice_head\./,
      /^the head of another task: GPT2DoubleHeadsModel's choice/,
    ],
    ['gpt2-value-head', /^v_head\./, /^the head of another task: TRL's estimate/],
    ['opt-value-head', /^v_head\./, /^the head of another task: TRL's estimate/],
  ])('of %s says of %s what it is', async (name, tensors, words) => {
    const {source_tensors: all} = await certified({
      output,
      source: join(FIXTURES, 'families', name),
      layout: 'vanilla',
    });
    const found = all.filter((tensor) => tensors.test(tensor.name));
    expect(found.length).toBeGreaterThan(0);
    for (const {how, why} of found) expect([how, why]).toEqual(['dropped', expect.stringMatching(words)]);
  });

  it('is the same every time, and says nothing of where it was made', async () => {
    const options = {source: source('opt'), middleLayers: 2, share: 'average', dtype: 'float16'} as const;
    await certified({...options, output});
    const first = await readFile(join(output, CERTIFICATE), 'utf8');
    await certified({...options, output, force: true});
    expect(await readFile(join(output, CERTIFICATE), 'utf8')).toBe(first);
    expect(first).not.toContain(temp.path());
    expect(first).not.toContain(ORACLE);
    // A tensor a line.
    expect(first.split('\n').length).toBeLessThan(200);
  });

  it('is not written without verification', async () => {
    const report = await convert({source: source('gpt2'), output, verify: 'none'});
    expect(report).toMatchObject({verified: 'none', certificate: null});
    expect(await readdir(output)).not.toContain(CERTIFICATE);
    expect((await describeModel(output)).certificate).toBe(null);
  });
});

describe('verification', () => {
  it.each([
    ['a copied tensor', {}, 'middle.0.ln_1.weight'],
    ['a cast tensor', {dtype: 'float16'}, 'wte.weight'],
    ['an averaged tensor', {middleLayers: 2, share: 'average'}, 'middle.1.mlp.c_fc.bias'],
    ['a zero key', {}, 'zero_tokens.key'],
  ] as const)('finds one changed bit in %s', async (_, how, tensor) => {
    const options = {source: source('gpt2'), output, ...how};
    await convert({...options, maxShardBytes: 40_000});
    const conversion = await prepare(options);
    for (const name of conversion.reader.checkpoint.tensors.keys()) {
      for await (const chunk of conversion.reader.chunks(name)) expect(chunk.length).toBeGreaterThan(0);
    }
    const verify = () => verifyTensors(output, conversion.planned, conversion.reader, () => undefined);
    expect((await verify()).size).toBe(conversion.planned.length);

    const index = JSON.parse(await readFile(join(output, 'model.safetensors.index.json'), 'utf8')) as {
      weight_map: Record<string, string>;
    };
    const file = join(output, index.weight_map[tensor]!);
    const bytes = readFileSync(file);
    const length = Number(bytes.readBigUInt64LE());
    const header = JSON.parse(bytes.subarray(8, 8 + length).toString()) as Record<
      string,
      {data_offsets: number[]}
    >;
    bytes[8 + length + header[tensor]!.data_offsets[1]! - 1]! ^= 1;
    writeFileSync(file, bytes);
    await expect(verify()).rejects.toThrow(`tensor ${tensor} reads back differently`);
    await conversion.reader.close();
  });

  it('notices a source that changes under it', async () => {
    const path = temp.path('source');
    await cp(source('gpt2'), path, {recursive: true});
    const bytes = readFileSync(join(path, 'model.safetensors'));
    bytes[bytes.length - 1]! ^= 1;
    const changing = convert({
      source: path,
      output,
      dtype: 'float16',
      onPhase: (phase) => {
        if (phase === 'verifying') writeFileSync(join(path, 'model.safetensors'), bytes);
      },
    });
    await expect(changing).rejects.toThrow(/source: tensor \S+ changed while it was converted/);
    expect(await readdir(temp.path())).toEqual(['source']);
  });

  it('refuses to compare what is not finite', async () => {
    const path = temp.path('source');
    await copyWithValues(source('gpt2'), path, 'transformer.wte.weight', [NaN]);
    const options = {source: path, output};
    await expect(convert({...options, verify: 'logits', engine: 'cpu'})).rejects.toThrow(
      /source predicts values that are not finite/,
    );
    expect(await readdir(temp.path())).toEqual(['source']);
    await convert(options);
  });

  it('measures the loss as the model does', async () => {
    const {logits} = await certified({output, source: source('gpt2'), verify: 'logits', engine: 'cpu'});
    const random = xoroshiro128plus(0);
    const ids = Array.from({length: logits!.tokens}, () => uniformInt(random, 0, 100));
    const models = await Promise.all([source('gpt2'), output].map((path) => load(path, {engine: 'cpu'})));
    const losses = await Promise.all(models.map((model) => model.loss([ids])));
    expectClose([logits!.source_loss, logits!.converted_loss], losses, 1e-4, 'loss');
  });
});

describe('a certificate that cannot be', () => {
  it.each<[string, (certificate: Certificate) => unknown, RegExp]>([
    [
      'of another version',
      (c) => ({...c, version: 2}),
      /certificate\.json at version: this version of ztt reads/,
    ],
    [
      'with a hash that is none',
      (c) => ({...c, source: {...c.source, files: {x: 'abc'}}}),
      /must be a sha256/,
    ],
    ['with more in it', (c) => ({...c, trusted: true}), /certificate\.json: Unrecognized key/],
    ['of no conversion', () => [], /certificate\.json: /],
    ['of other tensors', (c) => ({...c, tensors: c.tensors.slice(1)}), /is the certificate of other weights/],
    [
      'of other shapes',
      (c) => ({...c, tensors: c.tensors.map((each) => ({...each, shape: [1]}))}),
      /of other weights \(tensor \S+\); remove it/,
    ],
    [
      'of more tensors',
      (c) => ({...c, tensors: [...c.tensors, {...c.tensors[0]!, name: 'more'}]}),
      /of other weights \(a tensor that is not there\)/,
    ],
  ])('%s is refused', async (_, change, message) => {
    const certificate = await certified({output, source: source('gpt2')});
    await writeFile(join(output, CERTIFICATE), JSON.stringify(change(certificate)));
    await expect(describeModel(output)).rejects.toThrow(message);
  });
});
