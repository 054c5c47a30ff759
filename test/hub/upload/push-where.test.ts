import {writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, HubError, UsageError} from '../../../src/errors.js';
import {GPT2, PushFixture, TOKEN} from '../push-fixture.js';

const hub = new PushFixture();
const repo = () => hub.server.repos.get('ann/model')!;
const commitAt = (ref: string) => repo().beside.find(({oid}) => oid === repo().refs.get(ref))!;

describe('a push to a branch', () => {
  it('makes the branch, commits to it alone, and finds it the next time', async () => {
    const dir = await hub.copyOf('gpt2');
    const report = await hub.push(dir, {revision: 'exp/half', message: 'Half\n\nof the depth'});
    expect(report).toMatchObject({revision: 'exp/half', created: {repo: true, branch: true}});
    const {oid, title, files} = commitAt('exp/half');
    expect(report.commit).toBe(oid);
    expect(title).toBe('Half');
    expect([...files.keys()].sort()).toEqual(['.gitattributes', ...GPT2]);
    expect(hub.commits).toBe(1);
    const commit = hub.server.api.requests.find(({route}) => route === 'commit')!.body.toString();
    expect(JSON.parse(commit.split('\n')[0]!)).toMatchObject({value: {description: 'of the depth'}});
    const again = await hub.push(dir, {revision: 'exp/half'});
    expect(again).toMatchObject({commit: oid, created: {repo: false, branch: false}});
    expect(hub.server.routesTaken.filter((route) => route === 'branch')).toHaveLength(1);
  });

  it.each(['a b', '-x', 'a..b', 'x.lock', '', '0123456789012345678901234567890123456789'])(
    'refuses %j as none',
    async (revision) => {
      const error = await hub.failure(await hub.copyOf('gpt2'), {revision});
      expect(error).toBeInstanceOf(UsageError);
      expect(error.message).toContain(`${JSON.stringify(revision)} is nothing to push to`);
    },
  );
});

describe('a push as a pull request', () => {
  it('proposes the commit, to a repo of others too, and leaves main as it is', async () => {
    const owned = hub.server.addRepo('bob/model');
    const dir = await hub.copyOf('gpt2');
    const report = await hub.push(dir, {repo: 'bob/model', createPr: true});
    expect(report).toMatchObject({
      revision: 'refs/pr/1',
      pullRequest: `${hub.server.endpoint}/bob/model/discussions/1`,
      commit: owned.refs.get('refs/pr/1'),
    });
    expect(owned.commits).toHaveLength(1);
    expect([...owned.beside[0]!.files.keys()].sort()).toEqual(['.gitattributes', ...GPT2]);
  });

  it('adds to a pull request that is there', async () => {
    hub.server.addRepo('ann/model');
    const dir = await hub.copyOf('gpt2');
    await hub.push(dir, {createPr: true});
    await writeFile(join(dir, 'README.md'), 'more');
    const report = await hub.push(dir, {revision: 'refs/pr/1'});
    expect(report).toMatchObject({revision: 'refs/pr/1', pullRequest: null});
    expect(commitAt('refs/pr/1').files.get('README.md')!.content.toString()).toBe('more');
    expect(hub.commits).toBe(1);
  });

  it('creates no repo, branch or pull request for it', async () => {
    const dir = await hub.copyOf('gpt2');
    expect((await hub.failure(dir, {createPr: true})).message).toMatch(/^There is no ann\/model that this/);
    hub.server.addRepo('ann/model');
    for (const options of [{createPr: true, revision: 'none'}, {revision: 'refs/pr/7'}]) {
      expect((await hub.failure(dir, options)).message).toMatch(/^ann\/model has no revision /);
    }
    expect(hub.server.routesTaken).not.toContain('create');
    expect(hub.server.routesTaken).not.toContain('branch');
  });

  it('opens none where nothing would change', async () => {
    const dir = await hub.copyOf('gpt2');
    await hub.push(dir);
    expect(await hub.push(dir, {createPr: true})).toMatchObject({pullRequest: null, revision: 'main'});
    expect(repo().refs.size).toBe(0);
  });
});

describe('a name', () => {
  it('that is taken by a repo which the token may not see is told as that', async () => {
    hub.server.addRepo('ann/model');
    hub.server.api.trouble('info', {kind: 'answer', status: 404}, 2);
    for (const isPrivate of [true, false]) {
      const error = await hub.failure(await hub.copyOf('gpt2'), {private: isPrivate});
      expect(error).toBeInstanceOf(HubError);
      expect(error.message).toMatch(/^The name ann\/model is taken by a repo that this token may not see/);
      hub.server.api.trouble('info', {kind: 'answer', status: 404}, 2);
    }
  });

  it('that has moved is told with the new one', async () => {
    hub.server.addRepo('ann/better');
    hub.server.moved.set('ann/model', 'ann/better');
    const error = await hub.failure(await hub.copyOf('gpt2'));
    expect(error.message).toMatch(/^ann\/model is called ann\/better on the Hub; push to that/);
  });

  it('of a dataset is free for a model', async () => {
    hub.server.addRepo('datasets/ann/model');
    expect((await hub.push(await hub.copyOf('gpt2'))).created).toEqual({repo: true, branch: false});
  });
});

describe('secrets', () => {
  const KEY = ['-----BEGIN OPENSSH', 'PRIVATE KEY-----'].join(' ');
  it.each([
    ['README.md', `# Mine\n\nexport HF_TOKEN=${TOKEN}\n`, 'an access token of Hugging Face in line 3'],
    ['special_tokens_map.json', `{"x": "${TOKEN}"}`, 'an access token of Hugging Face in line 1'],
    ['modeling_x.py', `\n\n\nKEY = """${KEY}\n"""`, 'a private key in line 4'],
    ['NOTICE', `${'a line\n'.repeat(300_000)}ghp_${'aB3dE6gH9'.repeat(4)}`, 'GitHub in line 300001'],
  ])('in %s are refused by line, and shown nowhere', async (name, text, words) => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, name), text);
    for (const dryRun of [true, false]) {
      const error = await hub.failure(dir, {dryRun});
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toContain(`${join(dir, name)} has what looks like `);
      expect(error.message).toContain(words);
      expect(error.message).not.toMatch(/hf_a|BEGIN|ghp_/);
    }
    expect(hub.server.api.requests).toEqual([]);
  });

  it('are not seen in placeholders', async () => {
    const dir = await hub.copyOf('gpt2');
    await writeFile(join(dir, 'README.md'), `hf_${'x'.repeat(34)} AKIAIOSFODNN7EXAMPLE hf_hub_download`);
    await hub.push(dir);
    await hub.expectPushed(dir, [...GPT2, 'README.md']);
  });
});
