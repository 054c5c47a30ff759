import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {beforeAll, describe, expect, it} from 'vitest';
import {measureHeldOut} from '../../src/finetune/run/held-out.js';
import {finetune, load, readMetrics, Tokenizer, type FinetuneOptions} from '../../src/index.js';
import {expectClose} from '../helpers/close.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeTinyModel, TOKENIZER} from '../helpers/tiny-model.js';

const temp = sharedTempFolder();
let base: Omit<FinetuneOptions, 'output'>;

beforeAll(async () => {
  const books = await readFile(join(FIXTURES, 'books_train.txt'), 'utf8');
  await writeFile(temp.path('train.txt'), books.slice(0, 20_000));
  await writeFile(temp.path('other.txt'), books.slice(20_000, 30_000));
  const prompts = Array.from({length: 200}, (_, i) => ({
    prompt: `What is ${i}?`,
    completion: ` It is ${i % 7}, or so.`,
  }));
  await writeFile(temp.path('prompts.jsonl'), prompts.map((row) => JSON.stringify(row)).join('\n'));
  await makeTinyModel(temp.path('model'));
  base = {
    model: temp.path('model'),
    data: [temp.path('train.txt')],
    steps: 4,
    batchSize: 2,
    seqLen: 32,
    lr: 1e-2,
    engine: 'wasm',
  };
});

const losses = async (run: string) =>
  (await readMetrics(temp.path(run))).map((line) => ('loss' in line ? line.loss : null));

describe('the data of a run', () => {
  it('may be prompts, weighted sources, and held-out text of its own', async () => {
    const seen: string[] = [];
    const report = await finetune({
      ...base,
      output: temp.path('mixed'),
      data: [`${temp.path('prompts.jsonl')}=3`, `${temp.path('train.txt')}=1`],
      heldOutData: [temp.path('other.txt')],
      evalBlocks: 3,
      onData: (phase) => seen.push(phase),
    });
    expect(new Set(seen)).toEqual(new Set(['checking', 'tokenising']));
    expect(report.heldOutBlocks).toBeGreaterThan(3);
    const [first] = await readMetrics(temp.path('mixed'));
    expect(first).toMatchObject({held_out: {blocks: 3}});
    expect((await losses('mixed')).slice(1).every((loss) => loss! > 0 && loss! < 12)).toBe(true);
  });

  it('is not trained on where it is a prompt', async () => {
    const prompt = 'Say a number that is small, and no other word';
    const ids = [(await Tokenizer.load(TOKENIZER)).encode(prompt)];
    const lossOf = async (folder: string) => {
      const model = await load(folder, {engine: 'wasm'});
      const loss = await model.loss(ids);
      model.dispose();
      return loss;
    };
    /** The loss of the prompt after training on rows with it. */
    const after = async (name: string, row: object) => {
      await writeFile(temp.path(`${name}.jsonl`), `${JSON.stringify(row)}\n`.repeat(100));
      const data = [temp.path(`${name}.jsonl`)];
      await finetune({...base, output: temp.path(name), data, steps: 30, evalEvery: 0});
      return lossOf(temp.path(name));
    };
    const before = await lossOf(temp.path('model'));
    const [asText, asPrompt] = [
      await after('as-text', {text: `${prompt} 3`}),
      await after('as-prompt', {prompt, completion: ' 3'}),
    ];
    // Weights that the completion shares move the prompt's words a little.
    expect(asText).toBeLessThan(before - 4);
    expect(asPrompt).toBeGreaterThan(before - 2);
    expect((await losses('as-prompt')).at(-1)).toBeLessThan(before - 4);
  });

  it('is a part of what a resumed run must have', async () => {
    const output = temp.path('resumed');
    const abort = new AbortController();
    const onStep = ({step}: {step: number}) => step === 2 && abort.abort();
    await finetune({...base, output, signal: abort.signal, onStep}).catch(() => {});
    for (const other of [{isolateDocuments: true}, {heldOut: 0.3}, {heldOutData: [temp.path('other.txt')]}]) {
      await expect(finetune({...base, output, resume: true, ...other})).rejects.toThrow(/other data/);
    }
    await finetune({...base, output, resume: true});
    await finetune({...base, output: temp.path('uninterrupted')});
    expect(await losses('resumed')).toEqual(await losses('uninterrupted'));
  });

  it('counts in evaluations as in training', async () => {
    const model = await load(temp.path('model'), {engine: 'wasm'});
    const ids = Array.from({length: 3}, (_, row) =>
      Array.from({length: 16}, (_, i) => (row * 97 + i * 31) % 4096),
    );
    const lossMask = ids.map((row, b) => row.map((_, i) => (i * 7 + b) % 3 === 0));
    const measured = await measureHeldOut(model, {ids, lossMask}, {batchSize: 2, thresholds: []});
    expectClose([measured.loss], [await model.loss(ids, lossMask)], 1e-4, 'loss');
    expect(Math.abs(measured.loss - (await model.loss(ids)))).toBeGreaterThan(1e-4);
    model.dispose();
  });

  it.each<[string, Partial<FinetuneOptions>, RegExp]>([
    ['two ways to hold out', {heldOut: 0.1, heldOutData: ['x']}, /held-out-data and held-out are both given/],
    ['a share of all', {heldOut: 1}, /held-out is 1/],
    ['no blocks to evaluate', {evalBlocks: 0}, /eval-blocks is 0/],
  ])('refuses %s', async (_, wrong, message) => {
    await expect(finetune({...base, output: temp.path('wrong'), ...wrong})).rejects.toThrow(message);
  });
});
