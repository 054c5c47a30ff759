import {readFileSync} from 'node:fs';
import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {Generated} from '../../src/commands/generate.js';
import type {EvalReport} from '../../src/eval/index.js';
import type {RevertReport} from '../../src/index.js';
import {filesOf} from '../helpers/hub-repos.js';
import {HubServer} from '../helpers/hub-server.js';
import {FIXTURES, ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const BOOKS = join(FIXTURES, 'gpt2-books');
const TOKEN = 'hf_abcdefghijklmnopqrstuvwxyz012345';
const WASM = ['--engine', 'wasm'];

const temp = freshTempFolder();
let server: HubServer;
let commit: string;
let env: Record<string, string>;
beforeEach(async () => {
  server = await HubServer.start({token: TOKEN, namespaces: []});
  commit = server.addFiles('ann/books', filesOf(BOOKS));
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home')};
});
afterEach(async () => {
  await server.stop();
});

describe('a model of the Hub', () => {
  it('writes the same as from its folder, also offline', async () => {
    const words = ['--prompt', 'It is a truth', '--max-new-tokens', '5', ...WASM];
    const {text} = await cliJson<Generated>(['generate', BOOKS, ...words]);
    expect((await cliJson<Generated>(['generate', 'ann/books', ...words], {env})).text).toBe(text);
    const offline = {...env, HF_HUB_OFFLINE: '1'};
    expect((await cliJson<Generated>(['generate', 'ann/books', ...words], {env: offline})).text).toBe(text);
    expect(server.filesSent.sort()).toEqual(Object.keys(filesOf(BOOKS)).sort());
  });

  it('is evaluated, and the results name it as it was asked for', async () => {
    await writeFile(temp.path('task.jsonl'), '{"page": "It is a truth universally acknowledged."}\n');
    const task = ['--tasks', temp.path('task.jsonl'), ...WASM];
    const [remote, local] = [
      await cliJson<EvalReport>(['eval', 'ann/books', ...task], {env}),
      await cliJson<EvalReport>(['eval', BOOKS, ...task]),
    ];
    const withoutTimes = ({results}: EvalReport) => JSON.stringify(results);
    expect(withoutTimes(remote)).toBe(withoutTimes(local));
    expect(JSON.stringify(remote)).toContain('"ann/books"');
  });

  it('is fine-tuned, and the run knows repo and commit and goes on with them when the branch has moved', async () => {
    await writeFile(temp.path('data.txt'), 'It is a truth universally acknowledged. '.repeat(200));
    const run = temp.path('run');
    const flags = [
      '--data',
      temp.path('data.txt'),
      '--batch-size',
      '1',
      '--seq-len',
      '16',
      '--eval-every',
      '0',
      ...WASM,
    ];
    const job = ['finetune', 'ann/books', '-o', run, '--steps', '2', '--save-every', '1', ...flags];
    await cliOk(job, {env});
    expect(readFileSync(join(run, 'config.yaml'), 'utf8')).toContain(`model: ann/books@${commit}\n`);
    const {ztt} = JSON.parse(readFileSync(join(run, 'config.json'), 'utf8')) as {ztt: {source: object}};
    expect(ztt.source).toMatchObject({name: 'ann/books', revision: commit});
    server.addFiles('ann/books', {'config.json': '{"moved": true}'});
    await cliOk(['finetune', '-o', run, '--resume'], {env});
  });

  it('is reverted', async () => {
    await cliOk(['convert', BOOKS, '-o', temp.path('vanilla'), '--layout', 'vanilla']);
    server.addFiles('ann/vanilla', filesOf(temp.path('vanilla')));
    const out = temp.path('plain');
    const report = await cliJson<RevertReport>(['revert', 'ann/vanilla', '-o', out], {env});
    expect(report).toMatchObject({output: out, unrolled: false, divergence: null});
  });

  it('that there is not ends in one line and exit code 1', async () => {
    const words = ['--prompt', 'x'];
    const host = new URL(server.endpoint).host;
    expectFailure(
      await cli(['generate', 'ann/none', ...words], {env}),
      1,
      new RegExp(
        `^Error: ${host} has no model ann/none for everybody to see \\(401: Repository not found\\); check the name`,
      ),
    );
    expectFailure(await cli(['generate', 'ann/books@v9', ...words], {env}), 1, /has no revision v9/);
    const offline = {...env, HF_HUB_OFFLINE: '1'};
    expectFailure(
      await cli(['generate', 'ann/books', ...words], {env: offline}),
      1,
      /HF_HUB_OFFLINE is set, and the cache/,
    );
    const {stdout, code} = await cli(['generate', 'ann/none', ...words, '--json'], {env});
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({error: {name: 'HubError', exitCode: 1}});
  });

  it('whose token is wrong shows it nowhere', async () => {
    const secret = 'hf_secretsecretsecret';
    const result = await cli(['generate', 'ann/books', '--prompt', 'x'], {
      env: {...env, HF_TOKEN: secret, DEBUG: '1'},
    });
    expect(result.code).toBe(1);
    expect(result.stderr).toContain('does not accept the token from HF_TOKEN');
    expect(result.stdout + result.stderr).not.toContain(secret);
  });

  it('stops at Ctrl-C in the middle of its download, with exit code 130, and then goes on', async () => {
    const words = ['generate', 'ann/books', '--prompt', 'x', '--max-new-tokens', '1', ...WASM];
    server.storage.trouble('object', {kind: 'silence', after: 100_000});
    const stopped = await cli(words, {
      env,
      onStart: (child) => {
        const timer = setInterval(() => {
          if (server.storage.requests.length === 0) return;
          clearInterval(timer);
          setTimeout(() => child.kill('SIGINT'), 300);
        }, 20);
      },
    });
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toBe(
      'Stopping; Ctrl-C again quits at once.\nError: the download of ann/books was stopped; what came is kept. Run the same command again to go on from there.\n',
    );
    await cliOk(words, {env});
    expect(server.storage.requests.at(-1)!.headers.range).toBe('bytes=100000-');
  });

  it('is not pushed: what is pushed is a folder', async () => {
    const result = await cli(['push', 'ann/books', 'ann/other', '--dry-run'], {env});
    expectFailure(result, 1, /ann\/books does not exist; give a folder/);
    expect(server.api.requests).toEqual([]);
  });

  it('yields to a folder of its name', async () => {
    const result = await cli(['generate', 'oracle/gpt2', '--prompt', 'x'], {env, cwd: join(ORACLE, '..')});
    expectFailure(result, 1, /gpt2 has no tokenizer/);
    expect(server.api.requests).toEqual([]);
  });
});
