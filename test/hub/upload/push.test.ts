import {describe, expect, it, vi} from 'vitest';
import {HubError} from '../../../src/errors.js';
import type {PushProgress} from '../../../src/hub/index.js';
import {HubServer} from '../../helpers/hub-server.js';
import {bytesOf, GPT2, PushFixture, TOKEN} from '../push-fixture.js';
import {RecordingServer} from '../../helpers/recording-server.js';

const SHARDS = Array.from({length: 8}, (_, i) => `model-0000${i + 1}-of-00008.safetensors`);

const hub = new PushFixture();

describe('push', () => {
  it('puts every file of a checkpoint in a new repo, byte for byte, in one commit', async () => {
    const dir = await hub.copyOf('gpt2');
    const report = await hub.push(dir, {message: 'my model'});
    await hub.expectPushed(dir, GPT2);
    const {commits, private: isPrivate} = hub.server.repos.get('ann/model')!;
    expect(commits.map(({title}) => title)).toEqual(['initial commit', 'my model']);
    expect(isPrivate).toBe(false);
    expect(hub.server.routesTaken).toEqual([
      ...['info', 'create', 'info', 'tree', 'preupload', 'batch', 'commit', 'tree'],
    ]);
    expect(report).toEqual({
      repo: 'ann/model',
      url: `${hub.server.endpoint}/ann/model`,
      revision: 'main',
      commit: hub.head.oid,
      pullRequest: null,
      dryRun: false,
      created: {repo: true, branch: false},
      files: await Promise.all(
        GPT2.map(async (path) => ({path, bytes: await bytesOf(dir, [path]), unchanged: false})),
      ),
      card: null,
      leftOut: [{path: 'expected.safetensors', reason: "none of this checkpoint's weight files"}],
      alsoInRepo: ['.gitattributes'],
      bytes: await bytesOf(dir, GPT2),
      bytesNotSent: 0,
    });
  });

  it('puts the shards and their index', async () => {
    const dir = await hub.copyOf('gpt2-sharded');
    await hub.push(dir);
    await hub.expectPushed(dir, [
      'config.json',
      'generation_config.json',
      'model.safetensors.index.json',
      ...SHARDS,
    ]);
    expect(hub.head.files.get(SHARDS[7]!)!.lfs).toBe(true);
    expect(hub.commits).toBe(2);
  });

  it('sends a large file in parts', async () => {
    await hub.server.stop();
    hub.server = await HubServer.start({token: TOKEN, namespaces: ['ann'], partBytes: 100_000});
    const dir = await hub.copyOf('gpt2');
    await hub.push(dir);
    await hub.expectPushed(dir, GPT2);
    const lengths = hub.server.storage.requests
      .filter(({route}) => route === 'part')
      .map(({headers}) => headers['content-length']);
    expect(lengths.sort()).toEqual(['100000', '100000', '78376']);
  });

  it('sends the token to the endpoint only, never to the storage', async () => {
    await hub.push(await hub.copyOf('gpt2'));
    expect(hub.server.api.requests.map(({headers}) => headers.authorization)).toEqual(
      hub.server.api.requests.map(() => `Bearer ${TOKEN}`),
    );
    expect(hub.server.storage.requests.map(({route}) => route)).toEqual(['put']);
    for (const {headers, url} of hub.server.storage.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(JSON.stringify(headers) + url).not.toContain(TOKEN);
    }
  });

  it('does not carry the token over a redirect to another host', async () => {
    const answer = () => ({status: 200, body: {files: []}});
    const other = new RecordingServer([{name: 'any', method: 'POST', path: /./, answer}]);
    await other.start();
    hub.server.api.trouble('preupload', {
      kind: 'answer',
      status: 307,
      headers: {location: `${other.origin}/x`},
    });
    await hub.push(await hub.copyOf('gpt2'));
    await other.stop();
    expect(other.requests).toHaveLength(1);
    expect(other.requests[0]!.headers.authorization).toBeUndefined();
    expect(JSON.stringify(other.requests[0]!.headers)).not.toContain(TOKEN);
  });

  it('creates a private repo when told', async () => {
    const report = await hub.push(await hub.copyOf('gpt2'), {private: true});
    expect(report.created).toEqual({repo: true, branch: false});
    expect(hub.server.repos.get('ann/model')!.private).toBe(true);
  });

  it('leaves the visibility of a new repo to its owner unless told', async () => {
    await hub.push(await hub.copyOf('gpt2'));
    const body = hub.server.api.requests.find(({route}) => route === 'create')!.body.toString();
    expect(JSON.parse(body)).toEqual({name: 'model', organization: 'ann', type: 'model'});
  });

  it('adds to a repo that exists and names what it held before', async () => {
    const repo = hub.server.addRepo('ann/model');
    repo.commits[0]!.files.set('old.bin', {content: Buffer.from('old'), lfs: false});
    const report = await hub.push(await hub.copyOf('gpt2'));
    expect(report.created).toEqual({repo: false, branch: false});
    expect(report.alsoInRepo).toEqual(['.gitattributes', 'old.bin']);
    expect(hub.head.files.get('old.bin')!.content.toString()).toBe('old');
    expect(hub.server.routesTaken).not.toContain('create');
  });

  it('takes a repo that somebody else creates in between', async () => {
    hub.server.addRepo('ann/model');
    hub.server.api.trouble('info', {kind: 'answer', status: 404});
    await hub.push(await hub.copyOf('gpt2'));
    expect(hub.commits).toBe(2);
    expect(hub.server.routesTaken.slice(0, 3)).toEqual(['info', 'create', 'info']);
  });

  it('refuses to push as private to a public repo', async () => {
    hub.server.addRepo('ann/model');
    const error = await hub.failure(await hub.copyOf('gpt2'), {private: true});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(/^ann\/model exists and is public/);
    expect(hub.commits).toBe(1);
    hub.server.repos.get('ann/model')!.private = true;
    expect((await hub.push(await hub.copyOf('gpt2'), {private: true})).commit).toBe(hub.head.oid);
  });

  it('reports a dry run and touches no network', async () => {
    const dir = await hub.copyOf('gpt2');
    const fetch = vi.fn<typeof globalThis.fetch>();
    const report = await hub.push(dir, {dryRun: true, fetch, env: {HF_HUB_OFFLINE: '1'}});
    expect(fetch).not.toHaveBeenCalled();
    expect(report).toMatchObject({dryRun: true, commit: null, created: null, alsoInRepo: null});
    expect(report.files.map(({path}) => path)).toEqual(GPT2);
    expect(report.bytes).toBe(await bytesOf(dir, GPT2));
    expect(report.url).toBe('https://huggingface.co/ann/model');
  });

  it('prints nothing', async () => {
    const spies = (['log', 'debug', 'info', 'warn', 'error'] as const).map((name) => vi.spyOn(console, name));
    const out = vi.spyOn(process.stdout, 'write');
    await hub.push(await hub.copyOf('gpt2'));
    for (const spy of [...spies, out]) {
      expect(spy).not.toHaveBeenCalled();
      spy.mockRestore();
    }
  });

  it('tells its phases and the bytes that went out', async () => {
    const dir = await hub.copyOf('gpt2');
    const told: PushProgress[] = [];
    await hub.push(dir, {onProgress: (progress) => told.push(progress)});
    const phases = told.flatMap((one) => (one.event === 'phase' ? [one.phase] : []));
    expect(phases).toEqual(['checking', 'comparing', 'hashing', 'uploading', 'committing', 'verifying']);
    const sent = told.flatMap((one) => (one.event === 'bytes' ? [one.sent] : []));
    expect(sent.at(-1)).toBe(await bytesOf(dir, GPT2));
    expect(sent.at(-2)).toBe(await bytesOf(dir, ['model.safetensors']));
    expect(sent.length).toBeGreaterThan(2);
    expect(sent).toEqual([...sent].sort((a, b) => a - b));
  });
});
