import {mkdir, writeFile} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {HubError, UsageError} from '../../../src/errors.js';
import {parseRepoId, type Environment} from '../../../src/hub/index.js';
import {PushFixture, TOKEN} from '../push-fixture.js';

const hub = new PushFixture();
const OTHER = 'hf_another';

/** Pushes in an environment and tells the token that the server got. */
async function tokenSent(env: Environment, token?: string): Promise<string> {
  const dir = await hub.copyOf('gpt2');
  // The fixture's server knows one token; what it refuses is seen here as well.
  await hub.push(dir, {env: {HF_ENDPOINT: hub.server.endpoint, ...env}, token}).catch(() => {});
  return hub.server.api.requests[0]!.headers.authorization!.replace('Bearer ', '');
}

describe('the token', () => {
  it.each<[string, Environment]>([
    ['HF_TOKEN before HUGGING_FACE_HUB_TOKEN', {HF_TOKEN: TOKEN, HUGGING_FACE_HUB_TOKEN: OTHER}],
    ['HUGGING_FACE_HUB_TOKEN where HF_TOKEN is empty', {HF_TOKEN: ' ', HUGGING_FACE_HUB_TOKEN: TOKEN}],
    ['HF_TOKEN without its line end', {HF_TOKEN: `${TOKEN}\n`}],
  ])('comes from %s', async (_, env) => {
    expect(await tokenSent(env)).toBe(TOKEN);
  });

  it('comes from the option before the environment', async () => {
    expect(await tokenSent({HF_TOKEN: OTHER}, TOKEN)).toBe(TOKEN);
  });

  it('comes from a file: HF_TOKEN_PATH, then HF_HOME, then XDG_CACHE_HOME', async () => {
    const [path, home, cache] = ['path', 'home', 'cache'].map((name) => join(hub.scratch, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(path, 'hf_path\n');
    await mkdir(home);
    await writeFile(join(home, 'token'), 'hf_home\n');
    await mkdir(join(cache, 'huggingface'), {recursive: true});
    await writeFile(join(cache, 'huggingface/token'), 'hf_cache\n');
    const all = {HF_TOKEN_PATH: path, HF_HOME: home, XDG_CACHE_HOME: cache};
    expect(await tokenSent(all)).toBe('hf_path');
    hub.server.api.requests.length = 0;
    expect(await tokenSent({...all, HF_TOKEN_PATH: undefined})).toBe('hf_home');
    hub.server.api.requests.length = 0;
    expect(await tokenSent({XDG_CACHE_HOME: cache})).toBe('hf_cache');
  });

  it('may have any form that the endpoint gives out', async () => {
    expect(await tokenSent({HF_TOKEN: 'api_org_123'})).toBe('api_org_123');
  });

  it('is asked for where there is none', async () => {
    const env = {HF_ENDPOINT: hub.server.endpoint, HF_HOME: hub.scratch};
    const error = await hub.failure(await hub.copyOf('gpt2'), {env});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      'No Hugging Face token was found; set HF_TOKEN to a token with write access, or run `hf auth login`.',
    );
    expect(hub.server.api.requests).toEqual([]);
  });

  it('is refused unseen where no header can hold it', async () => {
    const env = {HF_ENDPOINT: hub.server.endpoint, HF_TOKEN: 'hf_abc def'};
    const error = await hub.failure(await hub.copyOf('gpt2'), {env});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(/^HF_TOKEN holds no token/);
    expect(error.message).not.toContain('abc');
  });
});

describe('the environment', () => {
  it.each(['1', 'true', 'ON', 'yes'])(
    'keeps a push off the network with HF_HUB_OFFLINE=%s',
    async (value) => {
      const env = {HF_ENDPOINT: hub.server.endpoint, HF_TOKEN: TOKEN, HF_HUB_OFFLINE: value};
      const error = await hub.failure(await hub.copyOf('gpt2'), {env});
      expect(error).toBeInstanceOf(HubError);
      expect(error.message).toMatch(/^HF_HUB_OFFLINE is set/);
      expect(hub.server.api.requests).toEqual([]);
    },
  );

  it('may end the endpoint in a slash', async () => {
    const report = await hub.push(await hub.copyOf('gpt2'), {endpoint: `${hub.server.endpoint}/`});
    expect(report.url).toBe(`${hub.server.endpoint}/ann/model`);
  });

  it.each(['localhost:80', 'ftp://x', 'https://user:pa55@x', 'https://x?q=pa55', ''])(
    'refuses %j as an endpoint, and does not repeat it',
    async (endpoint) => {
      const error = await hub.failure(await hub.copyOf('gpt2'), {endpoint});
      expect(error).toBeInstanceOf(UsageError);
      expect(error.message).not.toContain('pa55');
    },
  );
});

describe('parseRepoId', () => {
  it.each(['ann/model', 'Ann-1/gpt2.ztt_v2', '_a/b', `a/${'b'.repeat(94)}`])('takes %s', (id) => {
    expect(parseRepoId(id).id).toBe(id);
  });

  it.each([
    'model',
    'a/b/c',
    '/b',
    'a/',
    'a/b c',
    'a/b--c',
    'a/b..c',
    'a/-b',
    'a/b.',
    '.a/b',
    'a/b.git',
    '../b',
    'a/b?c',
    'a/é',
    'a/b\n',
    'https://huggingface.co/a/b',
    `a/${'b'.repeat(95)}`,
  ])('refuses %j', (id) => {
    expect(() => parseRepoId(id)).toThrow(UsageError);
  });
});
