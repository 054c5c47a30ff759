import {existsSync, statSync} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import {convert, type ExportReport} from '../../src/index.js';
import {filesOf} from '../helpers/hub-repos.js';
import {HubServer} from '../helpers/hub-server.js';
import {ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const temp = freshTempFolder();
let server: HubServer;
let env: Record<string, string>;
beforeEach(async () => {
  server = await HubServer.start({token: 'hf_abcdefghijklmnopqrstuvwxyz012345', namespaces: []});
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home')};
  const folder = temp.path('model');
  await convert({source: join(ORACLE, 'opt'), output: folder, layout: 'ztt', cycles: 2});
  server.addFiles('ann/model', filesOf(folder));
});
afterEach(async () => {
  await server.stop();
});

const cached = async () =>
  (await readdir(temp.path('home'), {recursive: true})).filter((name) => name.endsWith('model.safetensors'));

describe('ztt export', () => {
  it('plans from headers alone what it then writes of a repo of the Hub', async () => {
    const args = ['export', 'ann/model', '--onnx', '-o', temp.path('out'), '--dtype', 'float16'];
    const plan = await cliJson<ExportReport>([...args, '--dry-run'], {env});
    expect(existsSync(temp.path('out'))).toBe(false);
    expect(await cached()).toEqual([]);
    const report = await cliJson<ExportReport>(args, {env});
    expect(report).toEqual(plan);
    expect(await cached()).toHaveLength(1);
    for (const {name, bytes} of report.files) expect(statSync(temp.path('out', name)).size).toBe(bytes);
  });

  it('tells what it wrote, and that there is no tokenizer', async () => {
    const {stdout, stderr} = await cliOk([
      'export',
      temp.path('model'),
      '-o',
      temp.path('out'),
      '--cycles',
      '1',
    ]);
    expect(stdout).toMatch(/layout +ztt, 5 executed layers, no early exit\n/);
    expect(stdout).toMatch(
      /files +onnx\/model\.onnx \([\d.]+ kB\)\n +onnx\/model\.onnx_data \([\d.]+ kB\)\n/,
    );
    expect(stderr).toContain('The model has no tokenizer');
  });

  it('refuses cycles that a model has not before its weights are downloaded', async () => {
    const result = await cli(['export', 'ann/model', '-o', temp.path('out'), '--cycles', '3'], {env});
    expectFailure(result, 2, /cycles is 3; it must be a whole number from 1 to 2/);
    expect(await cached()).toEqual([]);
    expect(existsSync(temp.path('out'))).toBe(false);
  });
});
