import {existsSync} from 'node:fs';
import {readFile, readdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import * as tf from '@tensorflow/tfjs-core';
import {beforeAll, describe, expect, it} from 'vitest';
import {withLock} from '../../src/files/index.js';
import {convert, finetune, InterruptedError, load, Tokenizer, UsageError} from '../../src/index.js';
import {Trainer} from '../../src/finetune/step/trainer.js';
import {trainerSettings} from '../helpers/trainer-settings.js';
import {FASTEST} from '../helpers/engine.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';

const SOURCE = join(FIXTURES, 'gpt2-books');
const RUN = {
  data: [join(FIXTURES, 'books_train.txt')],
  steps: 6,
  batchSize: 4,
  seqLen: 64,
  lr: 3e-4,
  warmup: 2,
  seed: 7,
  evalEvery: 0,
  engine: FASTEST,
};

const temp = sharedTempFolder();
let model: string;

beforeAll(async () => {
  model = temp.path('ztt');
  await convert({source: SOURCE, output: model, layout: 'ztt', cycles: 2});
});

const weights = (folder: string) => readFile(join(folder, 'model.safetensors'));
const lines = async (folder: string) =>
  (await readFile(join(folder, 'metrics.jsonl'), 'utf8'))
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);

/** Runs until the step is done, then interrupts. */
async function interruptAfter(step: number, output: string, resume = false): Promise<void> {
  const abort = new AbortController();
  const onStep = (metrics: {step: number}) => metrics.step === step && abort.abort();
  await expect(finetune({...RUN, model, output, resume, signal: abort.signal, onStep})).rejects.toThrow(
    InterruptedError,
  );
}

describe('a fine-tuning run', () => {
  it('lowers the held-out loss, and writes its folder', async () => {
    const output = temp.path('run');
    const report = await finetune({...RUN, model, output, saveEvery: 4, keep: 2});
    expect(report).toMatchObject({steps: 6, resumedFrom: 0, trainedTokens: 6 * 4 * 64});
    expect((await readdir(output)).sort()).toEqual(
      [
        'checkpoints',
        'config.json',
        'config.yaml',
        'configuration_ztt.py',
        'generation_config.json',
        'metrics.jsonl',
        'model.safetensors',
        'modeling_ztt.py',
        'tokenizer.json',
        'tokenizer_config.json',
      ].sort(),
    );
    expect((await readdir(join(output, 'checkpoints'))).sort()).toEqual(['step-4', 'step-6']);
    const metrics = await lines(output);
    expect(metrics.map(({step}) => step)).toEqual([1, 2, 3, 4, 5, 6]);
    for (const line of metrics) {
      const {exits, ...numbers} = line;
      expect(Object.keys(numbers)).toEqual(['step', 'loss', 'lr', 'grad_norm', 'tokens_per_second', 'flops']);
      expect(Object.values(numbers).every((value) => Number.isFinite(value) && value > 0)).toBe(true);
      expect(exits).toMatchObject([{slot: 7}]);
    }
    const heldOut = await heldOutRows();
    expect(await lossOf(output, heldOut)).toBeLessThan((await lossOf(model, heldOut)) - 0.1);
  });

  it('gives the same weights bit for bit when it was interrupted and resumed', async () => {
    const [whole, broken] = [temp.path('whole'), temp.path('broken')];
    await finetune({...RUN, model, output: whole});
    await interruptAfter(2, broken);
    await interruptAfter(5, broken, true);
    const report = await finetune({...RUN, model, output: broken, resume: true});
    expect(report.resumedFrom).toBe(5);
    expect((await weights(broken)).equals(await weights(whole))).toBe(true);
    const losses = async (folder: string) => (await lines(folder)).map(({loss}) => loss);
    expect(await losses(broken)).toEqual(await losses(whole));
    expect((await weights(whole)).equals(await weights(model))).toBe(false);
  });

  it('resumes a finished run by doing nothing', async () => {
    const output = temp.path('finished');
    await finetune({...RUN, model, output, steps: 1});
    const before = await weights(output);
    const report = await finetune({...RUN, model, output, steps: 1, resume: true});
    expect(report.alreadyFinished).toBe(true);
    expect((await weights(output)).equals(before)).toBe(true);
  });

  it('goes on where its files say row for the exit objective, which is called sequence now', async () => {
    const output = temp.path('earlier-words');
    const abort = new AbortController();
    const options = {...RUN, model, output, steps: 2, exitObjective: 'sequence'} as const;
    const onStep = () => abort.abort();
    await expect(finetune({...options, signal: abort.signal, onStep})).rejects.toThrow(InterruptedError);
    const config = join(output, 'config.yaml');
    const state = join(output, 'checkpoints', 'step-1', 'trainer_state.json');
    for (const [path, now, before] of [
      [config, 'exit-objective: sequence', 'exit-objective: row'],
      [state, '"exitObjective": "sequence"', '"exitObjective": "row"'],
    ] as const) {
      const text = await readFile(path, 'utf8');
      expect(text).toContain(now);
      await writeFile(path, text.replace(now, before));
    }
    const notes: string[] = [];
    const onNote = (line: string) => notes.push(line);
    const resumed = {...options, exitObjective: 'row' as 'sequence', resume: true, onNote};
    expect((await finetune(resumed)).resumedFrom).toBe(1);
    expect(notes).toContain('exit-objective row is called sequence now.');
    expect(await readFile(config, 'utf8')).toContain('exit-objective: sequence');
  });

  it('refuses to resume with other settings or data, or to overwrite', async () => {
    const output = temp.path('other');
    await interruptAfter(1, output);
    const resumed = finetune({...RUN, model, output, resume: true, lr: 1e-5});
    await expect(resumed).rejects.toThrow(
      /started with lr 0.0003, not 0.00001 and lrMult .*zero-keys.*; resume with the same/,
    );
    const data = [join(FIXTURES, 'books_heldout.txt')];
    await expect(finetune({...RUN, model, output, resume: true, data})).rejects.toThrow(/other data/);
    await expect(finetune({...RUN, model, output})).rejects.toThrow(/not empty.*--resume/);
  });

  it('refuses a folder that another run is at work in, and leaves it as it is', async () => {
    const output = temp.path('taken');
    await withLock(output, async () => {
      const resumed = finetune({...RUN, model, output, resume: true});
      await expect(resumed).rejects.toThrow(/taken is in use by process \d+ of this machine/);
    });
    expect(existsSync(output)).toBe(false);
  });

  it('trains a plain source as vanilla', async () => {
    const output = temp.path('plain');
    await finetune({...RUN, model: SOURCE, output, steps: 1, engine: 'wasm'});
    const trained = await load(output, {engine: 'wasm'});
    expect(trained.config.ztt).toMatchObject({layout: 'vanilla', source: {name: 'gpt2-books'}});
    trained.dispose();
  });

  it.each([
    [{steps: 0}, /steps is 0/],
    [{batchSize: 1.5}, /batch-size is 1.5/],
    [{seqLen: 257}, /seq-len is 257; .* 2 to 256/],
    [{lr: 0}, /lr is 0/],
    [{lr: NaN}, /lr is NaN/],
    [{lrSchedule: 'step' as never}, /there is no lr-schedule "step"; there are cosine, linear, constant/],
    [{accumulate: 0}, /accumulate is 0/],
    [{weightDecay: -1}, /weight-decay is -1/],
    [{beta2: 1}, /beta2 is 1; .* below 1/],
    [{epsilon: 0}, /epsilon is 0/],
    [{clipNorm: Infinity}, /clip-norm is Infinity/],
    [{data: []}, /no data/],
  ])('refuses %o', async (wrong, message) => {
    const output = temp.path('wrong');
    const attempt = finetune({...RUN, model, output, ...wrong});
    await expect(attempt).rejects.toThrow(UsageError);
    await expect(finetune({...RUN, model, output, ...wrong})).rejects.toThrow(message);
    expect(await readdir(temp.path('.'))).not.toContain('wrong');
  });
});

describe('a training step', () => {
  const batch = [
    [1, 2, 3, 4, 5, 6],
    [7, 8, 9, 10, 11, 12],
  ];

  it('leaves no tensor behind', async () => {
    const loaded = await load(model, {engine: 'wasm'});
    const trainer = new Trainer(loaded, trainerSettings({}));
    await trainer.step(1, batch);
    const {numTensors, numBytes} = tf.memory();
    await trainer.step(2, batch);
    expect(tf.memory()).toMatchObject({numTensors, numBytes});
    trainer.dispose();
    loaded.dispose();
  });

  it('applies the dropout that the config asks for, the same for the same seed and step', async () => {
    const lossAt = async (dropout: number, seed: number) => {
      const loaded = await load(model, {engine: 'wasm'});
      loaded.config.ztt!.dropout = dropout;
      const trainer = new Trainer(loaded, trainerSettings({seed}));
      const {loss} = await trainer.step(1, batch);
      trainer.dispose();
      loaded.dispose();
      return loss;
    };
    const plain = await lossAt(0, 1);
    expect(await lossAt(0, 2)).toBe(plain);
    const dropped = await lossAt(0.3, 1);
    expect(dropped).not.toBe(plain);
    expect(await lossAt(0.3, 1)).toBe(dropped);
    expect(await lossAt(0.3, 2)).not.toBe(dropped);
  });

  it('stops at a loss that is not finite, before the weights are touched', async () => {
    const loaded = await load(model, {engine: 'wasm'});
    const weight = loaded.parameters().get('wte.weight')!;
    const other = loaded.parameters().get('ln_f.weight')!;
    const before = await other.data();
    tf.tidy(() => weight.assign(tf.fill(weight.shape, NaN)));
    const trainer = new Trainer(loaded, trainerSettings({}));
    await expect(trainer.step(1, batch)).rejects.toThrow(/step 1: the loss is NaN/);
    expect(await other.data()).toEqual(before);
    trainer.dispose();
    loaded.dispose();
  });
});

async function heldOutRows(): Promise<number[][]> {
  const tokenizer = await Tokenizer.load(SOURCE);
  const ids = tokenizer.encode((await readFile(join(FIXTURES, 'books_heldout.txt'), 'utf8')).slice(0, 8000));
  return Array.from({length: 8}, (_, row) => ids.slice(row * 128, (row + 1) * 128));
}

async function lossOf(folder: string, rows: number[][]): Promise<number> {
  const loaded = await load(folder, {engine: FASTEST});
  const loss = await loaded.loss(rows);
  loaded.dispose();
  return loss;
}
