import {readdir, readFile, writeFile} from 'node:fs/promises';
import {beforeAll, describe, expect, it} from 'vitest';
import {openTrainingData, type DataOptions} from '../../src/data/index.js';
import {openParts} from '../../src/eval/thresholds/parts.js';
import {finetune, init, Tokenizer, type EvalReport, type FinetuneOptions} from '../../src/index.js';
import {splitOf} from '../../src/synthetic/index.js';
import {cli, cliJson, cliOk, expectFailure} from '../commands/cli.js';
import {expectResumedAs, interruptAfter} from '../helpers/short-run.js';
import {sharedTempFolder} from '../helpers/temp.js';

const SPEC = 'synthetic:p-hop?n=8&p=1&rows=300';

const temp = sharedTempFolder();
let tokenizer: Tokenizer;

beforeAll(async () => {
  const sizes = {layers: 3, width: 16, heads: 2, positions: 32};
  await init({sizes, tokenizer: 'synthetic:letters', output: temp.path('model')});
  tokenizer = await Tokenizer.load(temp.path('model'));
});

/** Two questions a sequence. */
const openData = (more: Partial<DataOptions> = {}) =>
  openTrainingData({sources: [SPEC], tokenizer, separator: 0, seqLen: 18, batchSize: 4, seed: 1, ...more});

describe('as training data', () => {
  it('sequences hold whole questions, of which the answers are trained on', async () => {
    const data = await openData({heldOut: {sources: ['synthetic:p-hop?n=8&p=1&rows=20']}});
    expect(data).toMatchObject({documents: 300, tokens: 2700, heldOutBlocks: 10});
    const {ids, lossMask} = await data.batch(0);
    const held = await data.heldOut(10);
    await data.close();
    for (const row of lossMask!) expect(row.flatMap((counts, i) => (counts ? [i] : []))).toEqual([8, 17]);
    const splits = (rows: number[][]) =>
      rows.flatMap((row) => [0, 9].map((at) => splitOf(tokenizer.decode(row.slice(at, at + 8)))));
    expect(new Set(splits(ids))).toEqual(new Set(['train']));
    expect(new Set(splits(held.ids))).toEqual(new Set(['validation']));
  });

  it('tells a length that cuts questions in two', async () => {
    const notes: string[] = [];
    await (await openData({seqLen: 20, onNote: (line) => notes.push(line)})).close();
    expect(notes).toContain(
      `${SPEC}: sequences of 20 tokens cut questions of 9 in two; --seq-len 18 cuts none.`,
    );
  });

  it('is the same by its content for a resumed run, which ends bit for bit as a whole one', async () => {
    const options: FinetuneOptions = {
      model: temp.path('model'),
      output: temp.path('whole'),
      data: [SPEC],
      steps: 4,
      batchSize: 4,
      seqLen: 9,
      saveEvery: 1,
      evalEvery: 0,
      engine: 'native',
    };
    await finetune(options);
    const cut = {...options, output: temp.path('cut')};
    await interruptAfter(2, cut);
    await expectResumedAs(temp.path('whole'), cut);
    await interruptAfter(2, {...options, output: temp.path('other')});
    const other = {...options, output: temp.path('other'), data: [`${SPEC}&seed=1`], resume: true};
    await expect(finetune(other)).rejects.toThrow(/data/);
  });
});

it('thresholds are chosen on questions that are not measured', async () => {
  const [named, unnamed] = [`${SPEC}&split=test`, SPEC].map((spec) => openParts([spec], {limit: 50}, 40));
  for (const {test, calibration} of [await named!, await unnamed!]) {
    const prompts = new Set(test[0]!.rows.map(({doc}) => doc.query));
    expect(prompts.size).toBe(50);
    expect(calibration[0]!.rows).toHaveLength(40);
    expect(calibration[0]!.rows.some(({doc}) => prompts.has(doc.query))).toBe(false);
  }
});

describe('on the command line', () => {
  it('a model made for it learns one hop, from a YAML file, and is evaluated at thresholds', async () => {
    const sizes = ['--layers', '3', '--width', '32', '--heads', '2', '--positions', '16'];
    const letters = ['--tokenizer', 'synthetic:letters', '-o', temp.path('new')];
    const made = await cliJson<{vocabulary: number; slots: number}>(['init', ...sizes, ...letters]);
    expect(made).toMatchObject({vocabulary: 301, slots: 4});
    await writeFile(
      temp.path('run.yaml'),
      `model: ${temp.path('new')}\ndata: ["synthetic:brackets?n=3&kinds=3"]\nsteps: 60\nbatch-size: 32\n` +
        'seq-len: 4\nlr: 0.01\neval-every: 0\nengine: native\n',
    );
    await cliOk(['finetune', '--config', temp.path('run.yaml'), '-o', temp.path('run')]);
    const spec = 'synthetic:brackets?n=3&kinds=3&split=train&rows=200';
    const flags = ['--threshold', '0.05,1', '--engine', 'native', '--time', '0', '--log-samples'];
    const args = ['eval', temp.path('run'), '--tasks', spec, ...flags, '-o', temp.path('results')];
    const {results, configs} = JSON.parse((await cliOk([...args, '--json'])).stdout) as EvalReport;
    // Three kinds: a guess is right in a third.
    expect(results[spec]!['acc,none']).toBeGreaterThan(0.9);
    expect(results[spec]).not.toHaveProperty('acc_norm,none');
    expect(configs[spec]).toMatchObject({
      dataset_path: 'synthetic:brackets',
      dataset_name: 'n=3&kinds=3&seed=0&rows=200',
      test_split: 'train',
    });
    const [folder] = await readdir(temp.path('results'));
    const samples = (await readdir(temp.path('results', folder!))).filter((name) =>
      name.startsWith('samples'),
    );
    expect(samples).toHaveLength(2);
    const lines = (await readFile(temp.path('results', folder!, samples[0]!), 'utf8')).trim().split('\n');
    expect(lines).toHaveLength(200);
  });

  it.each([
    [['finetune', '-o', 'none', '--data', 'synthetic:p-hop?q=4'], /p-hop has no "q"; it has n, p, alphabet/],
    [['eval', '--tasks', 'synthetic:hop'], /"synthetic:hop" is no synthetic task/],
    [['eval', '--tasks', `${SPEC},${SPEC}`], /would both be/],
  ])('what cannot be is told: %s', async ([command, ...flags], message) => {
    const failed = await cli([command!, temp.path('model'), ...flags, '--engine', 'native'], {
      cwd: temp.path(''),
    });
    expect(failed.code).toBe(2);
    expect(failed.stderr).toMatch(message);
  });

  it.each([
    [['--layers', '2', '-o', 'x'], 2, /has no tokenizer; name a model that has one, or synthetic:letters/],
    [['-o', 'x'], 2, /either a base config or the sizes/],
    [
      ['--width', '20', '--heads', '3', '--tokenizer', 'synthetic:letters', '-o', 'x'],
      2,
      /width is 20; it must be a multiple of heads, which is 3/,
    ],
  ])('init tells what is missing: %s', async (flags, code, message) => {
    expectFailure(await cli(['init', ...flags], {cwd: temp.path('')}), code, message);
  });
});
