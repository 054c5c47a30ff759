import {existsSync, readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {setTimeout as sleep} from 'node:timers/promises';
import {afterAll, beforeAll, expect, it} from 'vitest';
import type {EvalReport} from '../../src/eval/index.js';
import {convert} from '../../src/index.js';
import {TASK_DATA} from '../eval/task-fixtures.js';
import {filesOf, sha} from '../helpers/hub-repos.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES} from '../helpers/oracle.js';
import {sharedTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const LAMBADA = 'plain_text/test-00000-of-00001.parquet';

const temp = sharedTempFolder();
let server: HubServer;
let env: Record<string, string>;
beforeAll(async () => {
  await convert({source: join(FIXTURES, 'gpt2-books'), output: temp.path('ztt'), cycles: 2, seed: 1});
  server = await HubServer.start({token: 'hf_abcdefghijklmnopqrstuvwxyz012345', namespaces: []});
  server.addFiles('ann/ztt', filesOf(temp.path('ztt')));
  const data = (repo: string, path: string) => readFileSync(join(TASK_DATA, repo, path));
  const openai = 'default/test-00000-of-00001.parquet';
  server.addFiles('datasets/EleutherAI/lambada_openai', {
    [openai]: data('EleutherAI/lambada_openai', openai),
    'de/test-00000-of-00001.parquet': 'no parquet, and never asked for',
  });
  // The repo itself has a script; the Hub's copy of its rows is on a branch.
  server.addFiles('datasets/cimec/lambada', {'lambada.py': 'raise SystemExit', 'data.tar.gz': 'x'});
  const repo = server.repos.get('datasets/cimec/lambada')!;
  const content = data('cimec/lambada', LAMBADA);
  const oid = sha('sha1', 'converted');
  repo.beside.push({oid, title: 'parquet', files: new Map([[LAMBADA, {content, lfs: false}]])});
  repo.refs.set('refs/convert/parquet', oid);
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home')};
});
afterAll(async () => {
  await server.stop();
});

const lasting = (report: EvalReport) => ({
  results: report.results,
  thresholds: report.ztt.thresholds,
  budgets: report.ztt.budgets,
  calibration: report.ztt.calibration,
});

it("a task's data comes from the Hub, also from its parquet branch, and is there offline afterwards", async () => {
  const flags = [
    '--tasks',
    'lambada_openai,lambada_standard',
    '--limit',
    '4',
    '--time',
    '0',
    '--threshold',
    '0.05,1',
  ];
  const local = await cliJson<EvalReport>(['eval', temp.path('ztt'), ...flags, '--task-data', TASK_DATA]);
  const remote = await cliJson<EvalReport>(['eval', 'ann/ztt', ...flags], {env});
  expect(lasting(remote)).toEqual(lasting(local));
  // Each once, and no other configuration's.
  const parquet = server.filesSent.filter((name) => name.endsWith('test-00000-of-00001.parquet'));
  expect(parquet).toHaveLength(2);
  expect(parquet.join()).not.toContain('de/');
  const sent = server.filesSent.length;
  const offline = {...env, HF_HUB_OFFLINE: '1'};
  expect(lasting(await cliJson<EvalReport>(['eval', 'ann/ztt', ...flags], {env: offline}))).toEqual(
    lasting(local),
  );
  expect(server.filesSent).toHaveLength(sent);
});

it('an evaluation of a model of the Hub within a budget goes on after a kill, its calibration too', async () => {
  const job = [
    'eval',
    'ann/ztt',
    '--tasks',
    'lambada_openai',
    '--time',
    '0',
    '--budget',
    '1.3',
    '--threads',
    '1',
  ];
  const straight = await cliJson<EvalReport>(job, {env});
  const output = temp.path('results');
  const file = join(output, 'ann__ztt', '.unfinished.jsonl');
  const kept = () => (existsSync(file) ? readFileSync(file, 'utf8').split('"key"').length - 1 : 0);
  const killed = await cli([...job, '--output', output], {
    env,
    onStart: (child) =>
      void (async () => {
        while (kept() === 0 && child.exitCode === null) await sleep(2);
        child.kill('SIGKILL');
      })(),
  });
  expect(killed.code).toBeNull();
  expect(kept()).toBeGreaterThan(0);
  const {stderr} = await cliOk([...job, '--output', output], {env});
  expect(stderr).toMatch(/^Going on with an interrupted evaluation: \d+ batches are scored\.$/m);
  const names = readdirSync(join(output, 'ann__ztt')).filter((name) => name.endsWith('.json'));
  const report = JSON.parse(readFileSync(join(output, 'ann__ztt', names[0]!), 'utf8')) as EvalReport;
  expect(lasting(report)).toEqual(lasting(straight));
});

it('a dataset that is not there, and one without the split, are told by name', async () => {
  const run = (task: string) => cli(['eval', 'ann/ztt', '--tasks', task], {env});
  const last = async (task: string) => {
    const result = await run(task);
    return {...result, stderr: `${result.stderr.trim().split('\n').at(-1)}\n`};
  };
  expectFailure(await last('piqa'), 1, /baber\/piqa/);
  server.addFiles('datasets/allenai/sciq', {'data/train-00000-of-00001.parquet': 'x'});
  expectFailure(await last('sciq'), 1, /allenai\/sciq/);
});
