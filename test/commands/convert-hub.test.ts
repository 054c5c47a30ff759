import {existsSync, readFileSync} from 'node:fs';
import {readdir} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {Certificate, ConversionPlan, ConvertReport, ModelDescription} from '../../src/index.js';
import {filesOf} from '../helpers/hub-repos.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {sha256} from '../helpers/tensor-bytes.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const BOOKS = join(FIXTURES, 'gpt2-books');
const WEIGHTS = 'model.safetensors';

const temp = freshTempFolder();
let server: HubServer;
let env: Record<string, string>;
beforeEach(async () => {
  server = await HubServer.start({token: 'hf_abcdefghijklmnopqrstuvwxyz012345', namespaces: []});
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home')};
});
afterEach(async () => {
  await server.stop();
});

const publish = (folder: string) => server.addFiles('ann/model', filesOf(folder));
/** The ranges that the storage behind the Hub was asked for, from and to, both inclusive. */
const ranges = () =>
  server.storage.requests.flatMap(({headers}) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    return from ? [[Number(from), Number(to)] as const] : [];
  });

/** The names of the repo's files that are in the cache. */
const cached = (commit: string) => readdir(temp.path('home/hub/models--ann--model/snapshots', commit));

describe('a repo of the Hub', () => {
  it('is described, and its conversion planned, from headers alone', async () => {
    const commit = publish(BOOKS);
    const info = await cliJson<ModelDescription>(['info', 'ann/model'], {env});
    expect(info).toMatchObject({path: 'ann/model', revision: commit, kind: 'source', certificate: null});
    expect(info.dtypes).toEqual([{dtype: 'F16', tensors: 100, elements: 4_394_880}]);
    const size = readFileSync(join(BOOKS, WEIGHTS)).byteLength;
    expect(info.files).toEqual([{name: WEIGHTS, bytes: size}]);

    const plan = await cliJson<ConversionPlan>(['convert', 'ann/model@main', '-o', 'out', '--dry-run'], {
      env,
      cwd: temp.path(),
    });
    expect(plan.source).toEqual({name: 'ann/model', revision: commit});
    expect(plan.disk.download).toBe(size);
    expect(plan.tensors).toMatchObject({copied: 100, made: 1});

    // Each asked for one range of a quarter of a megabyte, of 8.8 MB.
    expect(ranges()).toHaveLength(2);
    for (const [from, to] of ranges()) expect([from, to]).toEqual([0, (256 << 10) - 1]);
    expect(existsSync(temp.path('out'))).toBe(false);
    expect(await cached(commit)).not.toContain(WEIGHTS);
  });

  it('is downloaded and converted, and the result says where it is from', async () => {
    const commit = publish(BOOKS);
    const output = temp.path('out');
    const {stdout} = await cliOk(['convert', 'ann/model', '--output', output], {env});
    expect(stdout).toContain(`source         ann/model at ${commit}\n`);
    const config = JSON.parse(readFileSync(join(output, 'config.json'), 'utf8')) as {ztt: {source: unknown}};
    const digest = sha256(readFileSync(join(BOOKS, WEIGHTS)));
    expect(config.ztt.source).toMatchObject({
      name: 'ann/model',
      revision: commit,
      sha256: {[WEIGHTS]: digest},
    });
    const certificate = JSON.parse(readFileSync(join(output, 'ztt_certificate.json'), 'utf8')) as Certificate;
    expect(certificate.source).toEqual({name: 'ann/model', revision: commit, files: {[WEIGHTS]: digest}});
    const told = await cliOk(['info', output], {env});
    expect(told.stdout).toContain(`source         ann/model at ${commit}\n`);
    expect(told.stdout).toMatch(/verified +read back from the disk: 100 tensors with the source's bytes/);

    // What is published of it can be asked for its certificate.
    publish(output);
    const remote = await cliJson<ModelDescription>(['info', 'ann/model'], {env});
    expect(remote).toMatchObject({kind: 'ztt', certificate: {verified: 'bytes', logits: null}});
    expect(remote.certificate).toEqual(certificate);
  });

  it('of PyTorch files is planned from their directories, and converted', async () => {
    const commit = publish(join(ORACLE, 'opt-bin'));
    const plan = await cliJson<ConversionPlan>(
      ['convert', 'ann/model', '-o', temp.path('out'), '--dry-run'],
      {env},
    );
    expect(plan.source.revision).toBe(commit);
    const report = await cliJson<ConvertReport>(['convert', 'ann/model', '-o', temp.path('out')], {env});
    expect(report.tensors).toEqual(plan.tensors);
    expect(Object.keys(report.certificate!.source.files)).toEqual(['pytorch_model.bin']);
  });

  it('that cannot be converted so is refused before its weights are downloaded', async () => {
    const commit = publish(BOOKS);
    const convert = ['convert', 'ann/model', '--output', temp.path('out')];
    expectFailure(await cli([...convert, '--head', '8'], {env}), 2, /leave no middle layer/);
    expectFailure(await cli(['convert', 'ann/model', '--output', temp.path()], {env}), 1, /is not empty/);
    expect(await cached(commit)).not.toContain(WEIGHTS);
    expectFailure(await cli(['convert', 'ann/none', '--output', temp.path('out')], {env}), 1, /ann\/none/);
    expectFailure(await cli(['info', 'ann/none'], {env}), 1, /ann\/none/);
    expect(existsSync(temp.path('out'))).toBe(false);
  });
});
