import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect} from 'vitest';
import {convert, finetune, InterruptedError, type FinetuneOptions} from '../../src/index.js';
import {FIXTURES} from './oracle.js';
import type {TempFolder} from './temp.js';

/** A run of a few seconds, but for its model, data and output. */
export const SHORT_RUN = {
  steps: 3,
  batchSize: 2,
  seqLen: 16,
  lr: 1e-3,
  warmup: 1,
  seed: 3,
  evalEvery: 0,
  engine: 'native',
};

/** The bundled model as ztt with 2 cycles, and a little text to train it on. */
export async function shortRunInputs(temp: TempFolder): Promise<{model: string; data: string[]}> {
  const [model, text] = [temp.path('ztt'), temp.path('text.txt')];
  const books = await readFile(join(FIXTURES, 'books_train.txt'), 'utf8');
  await writeFile(text, books.slice(0, 20_000));
  await convert({source: join(FIXTURES, 'gpt2-books'), output: model, layout: 'ztt', cycles: 2});
  return {model, data: [text]};
}

/** The bytes of a folder's weights. */
export const weightBytes = (folder: string): Promise<Buffer> => readFile(join(folder, 'model.safetensors'));

/** Starts a run and stops it after a step. */
export async function interruptAfter(step: number, options: FinetuneOptions): Promise<void> {
  const abort = new AbortController();
  const onStep = (done: {step: number}) => done.step === step && abort.abort();
  const stopped = finetune({...options, onStep, signal: abort.signal});
  await expect(stopped).rejects.toThrow(InterruptedError);
}

/** Goes on with an interrupted run: its weights must be those of a whole one, bit for bit. */
export async function expectResumedAs(whole: string, options: FinetuneOptions): Promise<void> {
  await finetune({...options, resume: true});
  expect((await weightBytes(options.output)).equals(await weightBytes(whole))).toBe(true);
}
