import type {ChildProcess} from 'node:child_process';
import {cp, readdir, readFile, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {afterEach, beforeEach, describe, expect, it} from 'vitest';
import type {PushReport} from '../../src/hub/index.js';
import {HubServer} from '../helpers/hub-server.js';
import {ORACLE} from '../helpers/oracle.js';
import {freshTempFolder} from '../helpers/temp.js';
import {cli, cliJson, cliOk, expectFailure} from './cli.js';

const TOKEN = 'hf_abcdefghijklmnopqrstuvwxyz012345';

const temp = freshTempFolder();
let server: HubServer;
let env: Record<string, string>;
let model: string;
beforeEach(async () => {
  server = await HubServer.start({token: TOKEN, namespaces: ['ann']});
  env = {HF_ENDPOINT: server.endpoint, HF_HOME: temp.path('home'), HF_TOKEN: TOKEN};
  model = temp.path('model');
  await cp(join(ORACLE, 'gpt2'), model, {recursive: true});
});
afterEach(async () => {
  await server.stop();
});

const filesAt = (ref?: string) => {
  const repo = server.repos.get('ann/model')!;
  const oid = ref ? repo.refs.get(ref) : repo.commits.at(-1)!.oid;
  return [...repo.commits, ...repo.beside].find((commit) => commit.oid === oid)!.files;
};

describe('ztt push', () => {
  it('killed at any request and called again leaves one whole commit', async () => {
    for (const at of [2, 4, 6, 7, 8, 9]) {
      server.objects.clear();
      const repo = `ann/model${at}`;
      let child: ChildProcess | undefined;
      let count = 0;
      for (const each of [server.api, server.storage]) {
        each.whenAsked = () => {
          if (++count === at) child?.kill('SIGKILL');
          return undefined;
        };
      }
      const killed = await cli(['push', model, repo], {env, onStart: (started) => (child = started)});
      expect(killed.code).toBeNull();
      await cliOk(['push', model, repo], {env});
      const {commits} = server.repos.get(repo)!;
      expect(commits).toHaveLength(2);
      const weights = await readFile(join(model, 'model.safetensors'));
      expect(commits[1]!.files.get('model.safetensors')!.content.equals(weights)).toBe(true);
    }
  });

  it('pushes to a branch and as a pull request, with a message', async () => {
    const words = ['push', model, 'ann/model', '--message', 'Half the depth'];
    const branch = await cliJson<PushReport>([...words, '--revision', 'half', '--private'], {env});
    expect(branch).toMatchObject({revision: 'half', created: {repo: true, branch: true}});
    expect(filesAt('half').size).toBe(4);
    const {stdout} = await cliOk([...words, '--create-pr'], {env});
    expect(stdout).toContain(`The pull request: ${server.endpoint}/ann/model/discussions/2\n`);
    expect(stdout).toMatch(/Of these, the Hub had .* already; they were not sent\./);
    expect(filesAt().size).toBe(1);
    const again = await cliOk([...words, '--revision', 'half'], {env});
    expect(again.stdout).toMatch(/holds all of it already .* nothing was sent\./);
  });

  it('makes the card, pushes it with the rest byte for byte, and takes over what was written on the Hub', async () => {
    const ztt = temp.path('ztt');
    await cliOk(['convert', model, '-o', ztt, '--cycles', '2']);
    const dry = await cliOk(['push', ztt, 'ann/model', '--dry-run'], {env});
    expect(dry.stdout).toMatch(/README\.md would be:\n\n---\nlibrary_name: transformers\n/);
    expect(dry.stdout).toMatch(/^README\.md +\d/m);
    expect(await readdir(ztt)).not.toContain('README.md');
    expect(server.api.requests).toEqual([]);
    const {card, files} = await cliJson<PushReport>(['push', ztt, 'ann/model'], {env});
    expect(await readFile(join(ztt, 'README.md'), 'utf8')).toBe(card);
    expect(files.map(({path}) => path)).toEqual((await readdir(ztt)).sort());
    for (const {path} of files) {
      expect(
        filesAt()
          .get(path)!
          .content.equals(await readFile(join(ztt, path))),
        path,
      ).toBe(true);
    }
    server.addFiles('ann/model', {'README.md': `${card}\nWritten on the Hub.\n`});
    await cliOk(['push', ztt, 'ann/model'], {env});
    expect(await readFile(join(ztt, 'README.md'), 'utf8')).toContain('\nWritten on the Hub.\n');
    expect(server.repos.get('ann/model')!.commits).toHaveLength(4);
    await cliOk(['push', ztt, 'ann/model'], {env});
    expect(server.repos.get('ann/model')!.commits).toHaveLength(4);
    server.addFiles('ann/model', {'README.md': `${card}\nMore.\n`});
    await writeFile(join(ztt, 'README.md'), `${card}\nLess.\n`);
    expectFailure(await cli(['push', ztt, 'ann/model'], {env}), 1, /both have words of their own/);
    await cliOk(['push', ztt, 'ann/model', '--no-card'], {env});
    expect(filesAt().get('README.md')!.content.toString()).toBe(`${card}\nLess.\n`);
    const pulled = temp.path('pulled');
    await cliOk(['pull', 'ann/model', '-o', pulled], {env});
    expect((await readdir(pulled)).sort()).toEqual((await readdir(ztt)).sort());
    expect((await cliOk(['push', pulled, 'ann/model', '--no-card'], {env})).stdout).toContain(
      'nothing was sent',
    );
    const calibrate = ['calibrate', 'ann/model', '--tasks', 'x.jsonl', '--budget', '1.2'];
    expectFailure(
      await cli(calibrate, {env}),
      2,
      /bring it into one first: ztt pull ann\/model --output DIR/,
    );
  });

  it('says what is wrong in one line', async () => {
    const words = ['push', model, 'ann/model'];
    expectFailure(await cli([...words, '--revision', 'a b'], {env}), 2, /"a b" is nothing to push to/);
    expectFailure(await cli(['push', model, 'eve/model'], {env}), 1, /may not write to eve \(403: /);
    const without = {...env, HF_TOKEN: ''};
    expectFailure(await cli(words, {env: without}), 1, /No Hugging Face token was found/);
    const wrong = {...env, HF_TOKEN: 'hf_wrong'};
    expectFailure(await cli(words, {env: wrong}), 1, /does not accept the token from HF_TOKEN/);
  });
});
