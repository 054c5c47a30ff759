import {readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, it} from 'vitest';
import type {InitReport, ModelDescription} from '../../src/index.js';
import {filesOf} from '../helpers/hub-repos.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const BOOKS = join(FIXTURES, 'gpt2-books');

const temp = sharedTempFolder();
let server: HubServer;
let env: Record<string, string>;

beforeAll(async () => {
  server = await HubServer.start({token: 'hf_abcdefghijklmnopqrstuvwxyz012345', namespaces: []});
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home')};
});
afterAll(async () => {
  await server.stop();
});

describe('init', () => {
  it('takes config and tokenizer from a repo, without its weights', async () => {
    const commit = server.addFiles('ann/books', filesOf(BOOKS));
    const config = temp.path('small.json');
    const base = JSON.parse(await readFile(join(BOOKS, 'config.json'), 'utf8')) as object;
    await writeFile(config, JSON.stringify({...base, n_layer: 3, n_embd: 24, vocab_size: 7}));
    const output = temp.path('small');
    const flags = ['--base-config', config, '--tokenizer', 'ann/books', '--layout', 'htc', '-o', output];
    const report = await cliJson<InitReport>(['init', ...flags, '--cycles', '3', '--seed', '1'], {env});
    expect(report).toMatchObject({layout: 'htc', cycles: 3, middle: 1, slots: 5, vocabulary: 4096});
    const cached = await readdir(temp.path('home/hub/models--ann--books/snapshots', commit));
    expect(cached).toContain('tokenizer.json');
    expect(cached).not.toContain('model.safetensors');
    expect(await cliJson<ModelDescription>(['info', output])).toMatchObject({layout: 'htc', kind: 'ztt'});
    const shaped = await cliOk(['init', '--base-config', 'ann/books', '-o', temp.path('like')], {env});
    expect(shaped.stdout).toContain('ztt: head 1, 6 middle layers in 2 cycles, tail 1');
    expect(shaped.stderr).toContain(`Next: ztt finetune ${temp.path('like')} --output run --data FILE\n`);
  });

  it('makes a model that generates', async () => {
    const prompt = ['--prompt', 'It was', '--max-new-tokens', '3', '--engine', 'wasm'];
    const {stdout} = await cliOk(['generate', temp.path('small'), ...prompt]);
    expect(stdout).toMatch(/^It was/);
  });

  it('refuses what is no config', async () => {
    const failed = await cli(['init', '--base-config', temp.path('none.json'), '-o', temp.path('none')]);
    expectFailure(failed, 1, /none\.json does not exist/);
  });
});
