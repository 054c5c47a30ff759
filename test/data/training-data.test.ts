import {afterEach, beforeAll, beforeEach, describe, expect, it} from 'vitest';
import {openTrainingData, type DataOptions, type TrainingData} from '../../src/data/index.js';
import {UsageError, type Tokenizer} from '../../src/index.js';
import {freshTempFolder} from '../helpers/temp.js';
import {loadTokenizer, put} from './text.js';

const temp = freshTempFolder();
let tokenizer: Tokenizer;
let opened: TrainingData[];
beforeAll(async () => {
  tokenizer = await loadTokenizer();
});
beforeEach(() => {
  opened = [];
});
afterEach(async () => {
  for (const data of opened) await data.close();
});

const LENGTH = 8;

async function openData(sources: string[], more: Partial<DataOptions> = {}): Promise<TrainingData> {
  const data = await openTrainingData({
    sources,
    tokenizer,
    separator: 0,
    cache: temp.path('cache'),
    seqLen: LENGTH,
    batchSize: 4,
    seed: 3,
    ...more,
  });
  opened.push(data);
  return data;
}

/** A file whose tokens are digits that count up, so that a block tells where it is from. */
const numbered = (name: string, blocks: number, letter = 'x') =>
  put(temp, name, Array.from({length: (blocks * LENGTH) / 2}, (_, i) => `${letter}${i}`).join(' ') + '\n');

const rowsOf = async (data: TrainingData, batches: number): Promise<string[]> => {
  const rows: string[] = [];
  for (let i = 0; i < batches; i++) rows.push(...(await data.batch(i)).ids.map((row) => row.join()));
  return rows;
};

describe('batches', () => {
  it('deal out every block once an epoch, in an order of the seed and the epoch', async () => {
    const path = await numbered('a.txt', 20);
    const data = await openData([path], {batchSize: 1});
    const count = Math.floor(data.tokens / LENGTH);
    const all = await rowsOf(data, 3 * count);
    const epochs = [0, 1, 2].map((epoch) => all.slice(epoch * count, (epoch + 1) * count));
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(count);
    expect([...epochs[1]!].sort()).toEqual([...epochs[0]!].sort());
    expect(epochs[1]).not.toEqual(epochs[0]);
    // The blocks are the text's, one after another.
    const ids = [0, ...tokenizer.encode((await import('node:fs')).readFileSync(path, 'utf8'), false), 0];
    const blocks = Array.from({length: count}, (_, i) => ids.slice(i * LENGTH, (i + 1) * LENGTH).join());
    expect([...epochs[0]!].sort()).toEqual(blocks.sort());
    // A batch depends on its number and the seed alone, not on what was asked for before.
    const other = await openData([path], {batchSize: 1});
    expect((await other.batch(2 * count + 3)).ids[0]!.join()).toBe(epochs[2]![3]);
    expect(await rowsOf(await openData([path], {batchSize: 1, seed: 4}), count)).not.toEqual(epochs[0]);
  });

  it('go over the ends of files where there are no weights', async () => {
    const paths = await Promise.all(
      Array.from({length: 10}, (_, i) => put(temp, `${i}.txt`, String.fromCharCode(97 + i))),
    );
    const data = await openData(paths, {batchSize: 1});
    expect(data.documents).toBe(10);
    const tokens = data.tokens;
    expect((await rowsOf(data, Math.floor(tokens / LENGTH))).length).toBeGreaterThan(2);
  });

  it('draw from sources by their weights, all of each source in turn', async () => {
    const a = await put(temp, 'a.txt', 'a '.repeat(400));
    const b = await put(temp, 'b.txt', 'b '.repeat(4000));
    const data = await openData([`${a}=3`, b], {batchSize: 8});
    const idA = tokenizer.encode(' a', false)[0]!;
    let fromA = 0;
    for (let i = 0; i < 512; i++) {
      for (const row of (await data.batch(i)).ids) fromA += row.includes(idA) ? 1 : 0;
    }
    expect(fromA).toBe((512 * 8 * 3) / 4);
    const again = await openData([`${a}=3`, b], {batchSize: 8});
    expect(await again.batch(77)).toEqual(await data.batch(77));
    expect(again.sha256).toBe(data.sha256);
    expect((await openData([`${a}=2`, b])).sha256).not.toBe(data.sha256);
  });

  it('say which tokens count: not those of prompts, nor the first of a document after another', async () => {
    const path = await put(temp, 'a.jsonl', '{"prompt":"a b","completion":" c"}\n{"text":"d e f"}\n');
    const block = async (isolateDocuments: boolean) =>
      (await openData([path], {isolateDocuments, batchSize: 1})).batch(0);
    const {ids, lossMask} = await block(false);
    const all = [0, ...tokenizer.encode('a b', false), ...tokenizer.encode(' c', false), 0];
    expect(ids[0]!.slice(0, 5)).toEqual(all);
    expect(lossMask![0]!).toEqual([true, false, false, true, true, true, true, true]);
    expect((await block(true)).lossMask![0]!).toEqual([true, false, false, true, true, false, true, true]);
  });

  it('have no mask where all counts', async () => {
    const data = await openData([await numbered('a.txt', 4)]);
    expect(Object.keys(await data.batch(0))).toEqual(['ids']);
  });
});

describe('what is held out', () => {
  it('is never trained on, and the same for the same seed', async () => {
    const path = await numbered('a.txt', 40);
    const data = await openData([path], {heldOut: {share: 0.25}, batchSize: 1});
    const count = Math.floor(data.tokens / LENGTH);
    expect(data.heldOutBlocks).toBe(Math.floor(count / 4));
    const heldOut = (await data.heldOut(Infinity)).ids.map((row) => row.join());
    const training = await rowsOf(data, 2 * (count - data.heldOutBlocks));
    expect(training.filter((row) => heldOut.includes(row))).toEqual([]);
    expect(new Set([...training, ...heldOut]).size).toBe(count);
    const again = await openData([path], {heldOut: {share: 0.25}});
    expect((await again.heldOut(3)).ids.map((row) => row.join())).toEqual(heldOut.slice(0, 3));
    expect((await openData([path], {heldOut: {share: 0.2}})).sha256).not.toBe(data.sha256);
  });

  it('is taken from each source that has a weight', async () => {
    const [a, b] = [await put(temp, 'a.txt', 'a '.repeat(400)), await put(temp, 'b.txt', 'b '.repeat(400))];
    const data = await openData([`${a}=3`, `${b}=1`], {heldOut: {share: 0.1}});
    const idA = tokenizer.encode(' a', false)[0]!;
    const {ids} = await data.heldOut(4);
    expect(ids.map((row) => row.includes(idA))).toEqual([true, false, true, false]);
  });

  it('may be files of their own', async () => {
    const [a, b] = [await numbered('a.txt', 10), await numbered('b.txt', 5, 'y')];
    const data = await openData([a], {heldOut: {sources: [b]}, batchSize: 1});
    const whole = await openData([a], {batchSize: 1});
    expect(await rowsOf(data, 10)).toEqual(await rowsOf(whole, 10));
    expect((await data.heldOut(1)).ids[0]).toHaveLength(LENGTH);
    expect(data.heldOutBlocks).toBeGreaterThan(3);
  });

  it('is nothing unless asked for', async () => {
    const data = await openData([await numbered('a.txt', 40)]);
    expect([data.heldOutBlocks, await data.heldOut(5)]).toEqual([0, {ids: []}]);
    expect((await openData([temp.path('a.txt')], {heldOut: {share: 0.5, atMost: 2}})).heldOutBlocks).toBe(2);
  });
});

describe('wrong data', () => {
  it.each<[string, Partial<DataOptions>, RegExp]>([
    ['tiny', {seqLen: 100}, /a\.txt: the data has \d+ tokens, fewer than one sequence of 100/],
    ['no source', {sources: []}, /there is no data/],
    ['a share of 0', {heldOut: {share: 0}}, /held-out is 0/],
    ['a share of 1', {heldOut: {share: 1}}, /held-out is 1/],
    ['a share of NaN', {heldOut: {share: NaN}}, /held-out is NaN/],
    ['a share of all', {seqLen: 40, heldOut: {share: 0.9}}, /holding out 0.9 of 1 sequences leaves none/],
  ])('%s is refused', async (_, more, message) => {
    const path = await put(temp, 'a.txt', 'word '.repeat(50));
    await expect(openData([path], more)).rejects.toThrow(UsageError);
    await expect(openData([path], more)).rejects.toThrow(message);
  });

  it('a weight that no period can meet is refused', async () => {
    const [a, b] = [await numbered('a.txt', 4), await numbered('b.txt', 4)];
    await expect(openData([`${a}=1`, `${b}=0.0000001`])).rejects.toThrow(/too small/);
  });
});
