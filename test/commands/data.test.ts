import {mkdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {FinetuneReport} from '../../src/index.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {makeTinyModel} from '../helpers/tiny-model.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const temp = sharedTempFolder();
let server: HubServer;
let env: Record<string, string>;

const README = `---
configs:
- config_name: stories
  data_files:
  - split: train
    path: long/*.jsonl
  - split: test
    path: short/part-?.parquet
---
`;

beforeAll(async () => {
  await makeTinyModel(temp.path('model'));
  server = await HubServer.start({token: 'hf_abcdefghijklmnopqrstuvwxyz012345', namespaces: ['ann']});
  const rows = Array.from({length: 300}, (_, i) => JSON.stringify({text: `Story ${i} goes on and on.`}));
  server.addFiles('datasets/ann/tales', {
    'README.md': Buffer.from(README),
    'long/a.jsonl': Buffer.from(rows.join('\n')),
    'short/part-0.parquet': await readFile(join(FIXTURES, 'data', 'zstd.parquet')),
    'unused.bin': Buffer.from('x'),
  });
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home'), ZTT_CACHE: temp.path('cache')};
});
afterAll(async () => {
  await server.stop();
});

const job = (output: string, ...data: string[]) =>
  ['finetune', temp.path('model'), '-o', temp.path(output), '--engine', 'wasm', '--steps', '2'].concat([
    '--batch-size',
    '2',
    '--seq-len',
    '32',
    '--data',
    ...data,
  ]);

describe('finetune --data', () => {
  it('takes a dataset of the Hub, and reads its tokens once', async () => {
    const data = ['ann/tales:stories=2', 'ann/tales:stories:test=1'];
    const {heldOutBlocks, dataTokens} = await cliJson<FinetuneReport>(
      [...job('hub', ...data), '--held-out', '0.1'],
      {env},
    );
    expect(dataTokens).toBeGreaterThan(3000);
    expect(heldOutBlocks).toBeGreaterThan(5);
    const {stderr} = await cliOk([...job('again', ...data), '--held-out', '0.1'], {env});
    expect(stderr).toMatch(/ann\/tales:stories: \d+ tokens from the token cache/);
    expect(stderr).not.toMatch(/Tokenising/);
  });

  it('takes columns, folders, held-out data and documents apart', async () => {
    await mkdir(temp.path('set'));
    await writeFile(temp.path('set', 'train.jsonl'), '{"text":"one and two and three"}\n'.repeat(100));
    await writeFile(temp.path('rows.jsonl'), '{"story":"four and five"}\n'.repeat(100));
    const words = job('local', temp.path('set'), `${temp.path('rows.jsonl')}:story`);
    const more = [
      '--held-out-data',
      join(FIXTURES, 'books_heldout.txt'),
      '--isolate-documents',
      '--eval-blocks',
      '2',
    ];
    const report = await cliJson<FinetuneReport>([...words, ...more], {env});
    expect(report).toMatchObject({steps: 2, best: {step: expect.any(Number) as number}});
    const config = await readFile(join(report.output, 'config.yaml'), 'utf8');
    expect(config).toMatch(/held-out-data:\n.*books_heldout.txt\n[^]*isolate-documents: true/);
  });

  it.each<[string, string | Buffer, string, RegExp]>([
    ['empty.txt', '', '', /empty\.txt holds no text/],
    [
      'rows.jsonl',
      '{"text":"a"}\n{"story":"b"}\n',
      '',
      /rows\.jsonl, line 2: no column text.* the columns are "story"/,
    ],
    [
      'named.jsonl',
      '{"text":"a"}\n',
      ':story',
      /named\.jsonl, line 1: no column "story"; the columns are "text"/,
    ],
    ['bytes.txt', Buffer.from([97, 10, 0xff, 0xfe]), '', /bytes\.txt, line 2: this is no valid UTF-8/],
    ['long.txt', 'x'.repeat(1.2e6), '', /long\.txt, line 1: more than 1048576 characters without a blank/],
    ['text.parquet', 'text', '', /text\.parquet is no parquet file that can be read/],
  ])('tells what is wrong with %s', async (name, content, column, message) => {
    await writeFile(temp.path(name), content);
    expectFailure(await cli(job('bad', temp.path(name) + column), {env}), 1, message);
  });

  it('tells a dataset, config or split that is not there', async () => {
    expectFailure(await cli(job('bad', 'ann/none'), {env}), 1, /ann\/none/);
    expectFailure(
      await cli(job('bad', 'ann/tales:other:x'), {env}),
      1,
      /ann\/tales has no config other; it has stories/,
    );
    expectFailure(await cli(job('bad', 'ann/tales:dev'), {env}), 1, /has no split dev; it has test, train/);
    expectFailure(
      await cli(job('bad', 'nowhere.txt'), {env}),
      1,
      /nowhere\.txt cannot be read: no such file/,
    );
  });

  it.each<[string[], RegExp]>([
    [['--held-out', '1'], /--held-out is "1"/],
    [['--held-out', '0.1', '--held-out-data', 'a.txt'], /held-out/],
    [['--eval-blocks', '0'], /--eval-blocks is "0"/],
  ])('refuses %j', async (words, message) => {
    expectFailure(await cli([...job('bad', 'a.txt'), ...words], {env}), 2, message);
  });
});
