import {readdirSync} from 'node:fs';
import {stat} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import {convert, exportOnnx, generate, load, planExport, type ExportOptions} from '../../src/index.js';
import {expectClose, expectNormClose} from '../helpers/close.js';
import {writeLoraModel} from '../helpers/lora-model.js';
import {cover} from '../helpers/matrix.js';
import {Expected, FIRST_CASES, FIXTURES, ORACLE, VARIANTS} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {writeVariant} from '../helpers/oracle-variant.js';
import {OnnxModel} from './onnx-session.js';

/** Float32 in another order: far below the 1e-3 that an export must keep. */
const BOUND = 2e-5;

const temp = sharedTempFolder();

const unmasked = (rows: readonly number[][]) => rows.map((row) => row.map(() => true));

/** Exports a model and opens it in ONNX Runtime. */
async function exported(model: string, options: Partial<ExportOptions> = {}) {
  const output = temp.path(`onnx-${Math.random()}`);
  const report = await exportOnnx({model, output, ...options});
  return {report, output, onnx: await OnnxModel.load(output, report.files[0]!.name.slice('onnx/'.length))};
}

/** The logits of rows, one after the other. */
async function logitsOf(onnx: OnnxModel, ids: readonly number[][]): Promise<number[]> {
  const {logits} = await onnx.read(ids, unmasked(ids));
  return logits.flatMap((row) => [...row]);
}

/** Expects an export to give what the model itself does. */
async function expectOurs(model: string, ids: number[][], options: Partial<ExportOptions> = {}) {
  const ours = await load(model, {engine: 'wasm'});
  const {logits} = await ours.logits(ids, {threshold: 1, maxCycles: options.cycles});
  ours.dispose();
  const {onnx, report} = await exported(model, options);
  expectClose(await logitsOf(onnx, ids), logits, BOUND, 'logit');
  await onnx.close();
  return report;
}

describe.each(cover(FIRST_CASES, VARIANTS))('$case', ({case: name, variants}) => {
  let expected: Expected;
  let ids: number[][];
  beforeAll(async () => {
    expected = await Expected.open(name);
    ids = await expected.ids();
  });
  afterAll(() => expected.close());

  describe.each(variants)('%s in ONNX Runtime', (variant) => {
    let onnx: OnnxModel;
    let wanted: Float32Array;
    beforeAll(async () => {
      const folder = temp.path(`${name}-${variant}`);
      await writeVariant(name, variant, expected, folder);
      ({onnx} = await exported(folder));
      wanted = await expected.floats(`${variant}.logits`);
    });
    afterAll(() => onnx.close());

    it('has the reference logits', async () => {
      expectClose(await logitsOf(onnx, ids), wanted, BOUND, 'logit');
    });

    it('has them piece by piece through its cache, of rows that are padded on the left', async () => {
      const T = ids[0]!.length;
      const V = wanted.length / (ids.length * T);
      const pads = ids.map((_, row) => 3 * row);
      const rows = ids.map((row, i) => [...Array<number>(pads[i]!).fill(1), ...row.slice(0, T - pads[i]!)]);
      const masks = pads.map((pad) => Array.from({length: T}, (_, column) => column >= pad));
      let past;
      let start = 0;
      for (const end of [4, 5, T]) {
        const step = await onnx.read(
          rows.map((row) => row.slice(start, end)),
          masks.map((mask) => mask.slice(0, end)),
          past,
        );
        for (const [row, pad] of pads.entries()) {
          const first = Math.max(start, pad);
          const from = (row * T + first - pad) * V;
          const want = wanted.subarray(from, from + Math.max(0, end - first) * V);
          expectClose(step.logits[row]!.subarray((first - start) * V), want, BOUND, `logit of row ${row}`);
        }
        past = step.past;
        start = end;
      }
    });
  });
});

describe('an export', () => {
  const source = join(ORACLE, 'gpt2');
  const ids = [[5, 9, 3, 7, 1, 2, 8, 4]];

  it.each(readdirSync(join(FIXTURES, 'families')))(
    'gives what the source checkpoint %s does, unconverted',
    async (name) => {
      await expectOurs(join(FIXTURES, 'families', name), ids);
    },
  );

  it.each(['shared', 'cycle'] as const)('has LoRA matrices, one for each: %s', async (per) => {
    for (const [name, targets] of [
      ['gpt2', ['attn.c_attn', 'mlp.c_proj']],
      ['opt', ['self_attn.q_proj', 'fc1']],
    ] as const) {
      const model = temp.path(`lora-${name}-${per}`);
      await writeLoraModel(name, model, {rank: 3, alpha: 5, per, targets: [...targets]});
      await expectOurs(model, ids);
    }
  });

  it("has an averaged layer's scale once", async () => {
    const model = temp.path('averaged');
    const options = {middleLayers: 1, share: 'average', layout: 'ztt', cycles: 2} as const;
    await convert({source: join(ORACLE, 'gpt2-inverse-layer-scale'), output: model, ...options});
    await expectOurs(model, ids);
  });

  describe('of three cycles', () => {
    let model: string;
    beforeAll(async () => {
      model = temp.path('three');
      await convert({source, output: model, layout: 'ztt', cycles: 3});
    });

    it.each([1, 2, 3])('runs %d of them, each slot with its own zero key', async (cycles) => {
      const report = await expectOurs(model, ids, {cycles});
      const {head, tail, middleSources} = (await load(model, {engine: 'wasm'})).config.arrangement;
      expect(report).toMatchObject({cycles, slots: head + cycles * middleSources.length + tail});
    });

    it('has no others', async () => {
      for (const cycles of [0, 4]) {
        const refused = exportOnnx({model, output: temp.path('out'), cycles});
        await expect(refused).rejects.toThrow(/^cycles is [04]; it must be a whole number from 1 to 3\.$/);
      }
    });

    it('stores the weights of shared layers once', async () => {
      const parameters = async (cycles: number) => {
        const {files} = await planExport({model, output: temp.path('out'), cycles});
        return files[1]!.bytes;
      };
      // A cycle more has its slots' zero keys more, at most a page each.
      expect((await parameters(3)) - (await parameters(1))).toBeLessThan(2 * 4 * 4096);
    });

    it('is the same in several data files, whose sizes were foretold', async () => {
      const output = temp.path('foretold');
      const plan = await planExport({model, output, maxDataBytes: 20_000});
      expect(plan.files.length).toBeGreaterThan(3);
      for (const {bytes} of plan.files.slice(1)) expect(bytes).toBeLessThanOrEqual(20_000);
      const report = await expectOurs(model, ids, {maxDataBytes: 20_000});
      expect(report.files).toEqual(plan.files);
      await exportOnnx({model, output, maxDataBytes: 20_000});
      for (const {name, bytes} of report.files) expect((await stat(join(output, name))).size).toBe(bytes);
    });

    it('is near in float16, at half the size', async () => {
      const single = await exported(model);
      const half = await exported(model, {dtype: 'float16'});
      expect(half.report.files.map(({name}) => name)).toEqual([
        'onnx/model_fp16.onnx',
        'onnx/model_fp16.onnx_data',
      ]);
      const [logits, rough] = [await logitsOf(single.onnx, ids), await logitsOf(half.onnx, ids)];
      expectNormClose(rough, logits, 5e-3, 0, 'logits');
      await single.onnx.close();
      await half.onnx.close();
    });
  });

  it('continues a text as ztt does', async () => {
    const model = temp.path('books');
    await convert({source: join(FIXTURES, 'gpt2-books'), output: model, layout: 'ztt', cycles: 2});
    const prompt = [682, 307, 259, 1092, 279, 2809];
    const ours = await load(model, {engine: 'wasm'});
    const wanted: number[] = [];
    for await (const {id} of generate(ours, prompt, {maxNewTokens: 16, threshold: 1})) wanted.push(id);
    ours.dispose();
    const {onnx} = await exported(model);
    const text = [...prompt];
    let step = await onnx.read([text], unmasked([text]));
    while (text.length < prompt.length + wanted.length) {
      const last = step.logits[0]!.subarray(-step.shape[2]!);
      text.push(last.indexOf(Math.max(...last)));
      step = await onnx.read([text.slice(-1)], unmasked([text]), step.past);
    }
    expect(text.slice(prompt.length)).toEqual(wanted);
    await onnx.close();
  });
});
