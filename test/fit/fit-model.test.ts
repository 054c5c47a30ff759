import {createHash} from 'node:crypto';
import {readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {expect, it} from 'vitest';
import {SafetensorsFile} from '../../src/checkpoint/index.js';
import {fitModelExits} from '../../src/fit/index.js';
import {exitSlots, load, readModelConfig, ZERO_KEYS} from '../../src/model/index.js';
import {FIXTURES} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {makeTinyModel} from '../helpers/tiny-model.js';

const DATA = [join(FIXTURES, 'books_train.txt')];
const OPTIONS = {data: DATA, rows: 24, seqLen: 32, engine: 'native' as const, threads: 1};

const temp = freshTempFolder();

const tensorsOf = async (folder: string): Promise<Map<string, string>> => {
  const file = await SafetensorsFile.open(join(folder, 'model.safetensors'));
  const hashes = new Map<string, string>();
  for (const name of file.tensors.keys()) {
    const hash = createHash('sha256');
    for await (const chunk of file.chunks(name)) hash.update(chunk);
    hashes.set(name, hash.digest('hex'));
  }
  await file.close();
  return hashes;
};

it('changes the zero keys of exits in the model folder and nothing else', async () => {
  const folder = temp.path('model');
  await makeTinyModel(folder);
  const before = await tensorsOf(folder);
  const config = await readModelConfig(folder);
  const [slot] = exitSlots(config.arrangement, 2);
  const old = await zeroKeys(folder);
  const fit = await fitModelExits({model: folder, ...OPTIONS});
  const now = await zeroKeys(folder);
  const size = old.length / 4;
  for (let i = 0; i < 4; i++) {
    const [a, b] = [old, now].map((keys) => keys.slice(i * size, (i + 1) * size));
    if (i === slot) expect(b).not.toEqual(a);
    else expect(b).toEqual(a);
  }
  const after = await tensorsOf(folder);
  expect([...after].filter(([name, hash]) => before.get(name) !== hash).map(([name]) => name)).toEqual([
    ZERO_KEYS,
  ]);
  expect(fit.exits.map((exit) => exit.slot)).toEqual([slot]);
  expect((await readModelConfig(folder)).ztt?.exit_fit).toEqual(fit);
  // The same again gives the same bits.
  await makeTinyModel(temp.path('again'));
  await fitModelExits({model: temp.path('again'), ...OPTIONS});
  expect(await tensorsOf(temp.path('again'))).toEqual(after);
});

it('says which rows there are where the data is short, and forgets a calibration of other keys', async () => {
  const folder = temp.path('model');
  await makeTinyModel(folder);
  const path = join(folder, 'config.json');
  const raw = JSON.parse(await readFile(path, 'utf8')) as {ztt: Record<string, unknown>};
  const estimate = {value: 1, low: 1, high: 1};
  const point = {threshold: 0.4, accuracy: null, flops_ratio: estimate, flops_per_token: 1, mean_slots: 4};
  raw.ztt.threshold = 0.4;
  raw.ztt.calibration = {
    tasks: [],
    target: {budget: '1'},
    exit_from_cycle: 2,
    exit_score: 'zero-attention',
    exit_granularity: 'sequence',
    threshold: 0.4,
    points: [point],
  };
  await writeFile(path, JSON.stringify(raw));
  const notes: string[] = [];
  await writeFile(temp.path('short.txt'), (await readFile(DATA[0]!, 'utf8')).slice(0, 3000));
  const fit = await fitModelExits({
    model: folder,
    ...OPTIONS,
    data: [temp.path('short.txt')],
    rows: 4000,
    onNote: (note) => notes.push(note),
  });
  expect(notes.at(-1)).toMatch(/the data has \d+ rows of 32 tokens, not 4000/);
  expect(fit.rows).toBeLessThan(100);
  const {ztt} = await readModelConfig(folder);
  expect([ztt!.threshold, ztt!.calibration]).toEqual([1, undefined]);
});

it('refuses options by their table, before anything is read', async () => {
  const wrong = {model: temp.path('none'), ...OPTIONS, rows: 3.5};
  await expect(fitModelExits(wrong)).rejects.toThrow(/rows is 3\.5; it must be a whole number from 16/);
});

it('refuses rows that are longer than the model takes', async () => {
  await makeTinyModel(temp.path('model'));
  await expect(fitModelExits({model: temp.path('model'), ...OPTIONS, seqLen: 65})).rejects.toThrow(
    /seq-len is 65; the model takes at most 64 tokens/,
  );
});

async function zeroKeys(folder: string): Promise<number[]> {
  const model = await load(folder, {engine: 'native', threads: 1});
  const values = await model.parameters().get(ZERO_KEYS)!.data();
  model.dispose();
  return [...values];
}
