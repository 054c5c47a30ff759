import {writeFileSync} from 'node:fs';
import {readFile, rm} from 'node:fs/promises';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {HubError} from '../../../src/errors.js';
import {RecordingServer} from '../../helpers/recording-server.js';
import {FetchFixture, GPT2, sameBytes, TOKEN} from '../fetch-fixture.js';
import {errorOf} from '../push-fixture.js';

const hub = new FetchFixture();
const host = (): string => new URL(hub.server.endpoint).host;

describe('the token', () => {
  it('is not needed for what is public', async () => {
    hub.publish('ann/gpt2');
    await hub.fetch('ann/gpt2');
    for (const {headers} of hub.server.api.requests) expect(headers.authorization).toBeUndefined();
  });

  it('goes to the endpoint, and never to the storage', async () => {
    hub.publish('ann/gpt2');
    hub.server.repos.get('ann/gpt2')!.private = true;
    hub.server.storage.trouble('object', {kind: 'cut', after: 1000});
    await hub.fetch('ann/gpt2', {env: {...hub.env, HF_TOKEN: TOKEN}});
    for (const {headers} of hub.server.api.requests) expect(headers.authorization).toBe(`Bearer ${TOKEN}`);
    expect(hub.server.storage.requests).toHaveLength(2);
    for (const {headers, url} of hub.server.storage.requests) {
      expect(headers.authorization).toBeUndefined();
      expect(JSON.stringify(headers) + url).not.toContain(TOKEN);
    }
  });

  it.each(['info', 'tree', 'resolve', 'small'])(
    'does not follow a redirect of %s to another host',
    async (route) => {
      hub.publish('ann/gpt2');
      const answer = () => ({status: 404, body: {}});
      const other = new RecordingServer([{name: 'any', method: 'GET', path: /./, answer}]);
      await other.start();
      hub.server.api.trouble(
        route,
        {kind: 'answer', status: 302, headers: {location: `${other.origin}/x`}},
        3,
      );
      await errorOf(hub.fetch('ann/gpt2', {token: TOKEN}));
      await other.stop();
      expect(other.requests.length).toBeGreaterThan(0);
      for (const {headers, url} of other.requests) expect(JSON.stringify(headers) + url).not.toContain(TOKEN);
    },
  );

  it('does not go to another port of the same host, or to the next page of a listing elsewhere', async () => {
    hub.publish('ann/gpt2');
    const other = new RecordingServer([
      {name: 'any', method: 'GET', path: /./, answer: () => ({status: 200, body: []})},
    ]);
    await other.start();
    hub.server.api.trouble('tree', {
      kind: 'alter',
      change: (answer) => ({...answer, headers: {link: `<${other.origin}/next>; rel="next"`}}),
    });
    await hub.fetch('ann/gpt2', {token: TOKEN});
    await other.stop();
    expect(other.requests).toHaveLength(1);
    expect(JSON.stringify(other.requests[0]!.headers)).not.toContain(TOKEN);
  });

  it('is in no note and no error, even if the Hub says it', async () => {
    hub.publish('ann/gpt2');
    for (const [route, status, server] of [
      ['info', 401, hub.server.api],
      ['tree', 403, hub.server.api],
      ['resolve', 404, hub.server.api],
      ['object', 400, hub.server.storage],
    ] as const) {
      server.trouble(route, {kind: 'answer', status, body: {error: `bad token ${TOKEN}`}}, 9);
      const error = await errorOf(hub.fetch('ann/gpt2', {token: TOKEN}));
      expect(error).toBeInstanceOf(HubError);
      expect(error.message).toContain('bad token ***');
      expect(error.message + JSON.stringify(error) + hub.notes.join()).not.toContain(TOKEN);
      server.clear();
    }
  });

  it('that the Hub does not know is said to be wrong, with where it came from', async () => {
    hub.publish('ann/gpt2');
    await hub.fetch(GPT2);
    const path = hub.temp.path('token');
    writeFileSync(path, 'hf_wrongwrongwrong\n');
    const error = await errorOf(hub.fetch('ann/gpt2', {env: {...hub.env, HF_TOKEN_PATH: path}}));
    expect(error.message).toBe(
      `${host()} does not accept the token from ${path} (401: Invalid username or password.); make a new one at ${hub.server.endpoint}/settings/tokens, or take the old one away to go without.`,
    );
  });
});

describe('a refusal is explained:', () => {
  it('a repo that there is not', async () => {
    const error = await errorOf(hub.fetch('ann/none'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `${host()} has no model ann/none for everybody to see (401: Repository not found); check the name, or, if it is private or gated, set HF_TOKEN to a token of your account, or run \`hf auth login\`.`,
    );
    const signedIn = await errorOf(hub.fetch('ann/none', {token: TOKEN}));
    expect(signedIn.message).toBe(
      `${host()} has no model ann/none that the token from the token given may see (404: Repository not found); check the name.`,
    );
  });

  it('a private one', async () => {
    hub.publish('ann/gpt2');
    hub.server.repos.get('ann/gpt2')!.private = true;
    expect((await errorOf(hub.fetch('ann/gpt2'))).message).toContain(
      'if it is private or gated, set HF_TOKEN',
    );
    await hub.fetch('ann/gpt2', {token: TOKEN});
  });

  it('a gated one', async () => {
    hub.publish('ann/gpt2');
    const repo = hub.server.repos.get('ann/gpt2')!;
    repo.gated = 'asked';
    const page = `${hub.server.endpoint}/ann/gpt2`;
    expect((await errorOf(hub.fetch('ann/gpt2'))).message).toBe(
      `${host()} gives out the model ann/gpt2 only to who asked for it (401: Access to this model is restricted. Please log in.); ask at ${page}, then set HF_TOKEN to a token of your account, or run \`hf auth login\`.`,
    );
    expect((await errorOf(hub.fetch('ann/gpt2', {token: TOKEN}))).message).toBe(
      `${host()} gives out the model ann/gpt2 only to who asked for it (403: Your request is awaiting a review.); ask at ${page}, then run this again (the token from the token given has no access yet).`,
    );
    repo.gated = 'granted';
    await hub.fetch('ann/gpt2', {token: TOKEN});
  });

  it('a revision that there is not', async () => {
    hub.publish('ann/gpt2');
    for (const revision of ['v9', 'refs/pr/7', 'f'.repeat(40)]) {
      const error = await errorOf(hub.fetch(`ann/gpt2@${revision}`));
      expect(error).toBeInstanceOf(HubError);
      expect(error.message).toMatch(
        /^the model ann\/gpt2 has no revision .* give a branch, a tag, a commit or refs\/pr\/N\.$/,
      );
    }
  });

  it('a file that went away', async () => {
    hub.publish('ann/gpt2');
    hub.server.api.trouble(
      'resolve',
      {kind: 'answer', status: 404, headers: {'x-error-code': 'EntryNotFound'}},
      3,
    );
    expect((await errorOf(hub.fetch('ann/gpt2'))).message).toMatch(
      /^the model ann\/gpt2 has no file \w+\.json at [0-9a-f]{40} \(404\)\.$/,
    );
  });

  it('a repo that is closed', async () => {
    hub.publish('ann/gpt2');
    hub.server.repos.get('ann/gpt2')!.disabled = true;
    expect((await errorOf(hub.fetch('ann/gpt2'))).message).toBe(
      `${host()} has closed the model ann/gpt2 to everybody (403: Access to this resource is disabled.).`,
    );
  });

  it('a token that may not read it', async () => {
    hub.publish('ann/gpt2');
    hub.server.api.trouble('resolve', {kind: 'answer', status: 403, body: {error: 'Forbidden'}}, 3);
    expect((await errorOf(hub.fetch('ann/gpt2', {token: TOKEN}))).message).toMatch(
      /does not give \w+\.json of the model ann\/gpt2 to the token from the token given \(403: Forbidden\); give the token read access/,
    );
  });
});

describe('offline', () => {
  const offline = () => ({env: {...hub.env, HF_HUB_OFFLINE: '1'}});

  it('the cache is used alone, by branch, tag or commit', async () => {
    const commit = hub.publish('ann/gpt2');
    hub.server.repos.get('ann/gpt2')!.refs.set('v1', commit);
    const fetched = await hub.fetch('ann/gpt2');
    await hub.fetch('ann/gpt2@v1');
    const before = hub.server.api.requests.length;
    for (const model of ['ann/gpt2', 'ann/gpt2@v1', `ann/gpt2@${commit}`]) {
      expect(await hub.fetch(model, offline())).toEqual(fetched);
    }
    expect(hub.server.api.requests).toHaveLength(before);
    expect(hub.notes).toEqual([]);
  });

  it('what the cache has not is an error that says so', async () => {
    hub.publish('ann/gpt2');
    const none = await errorOf(hub.fetch('ann/gpt2', offline()));
    expect(none).toBeInstanceOf(HubError);
    expect(none.message).toBe(
      `HF_HUB_OFFLINE is set, and the cache at ${hub.cache} has no main of ann/gpt2; unset it to download.`,
    );
    expect(hub.server.api.requests).toEqual([]);
  });

  it.each(['model.safetensors', 'config.json'])(
    'a model without its %s is not taken for whole',
    async (name) => {
      const commit = hub.publish('ann/gpt2');
      const {path} = await hub.fetch('ann/gpt2');
      await rm(join(path, name));
      const error = await errorOf(hub.fetch('ann/gpt2', offline()));
      const words =
        name === 'config.json' ? 'has no config.json at its top' : 'is no checkpoint: it has neither';
      expect(error.message).toContain(`ann/gpt2, as far as the cache has it, ${words}`);
      expect(error.message).not.toContain(commit);
    },
  );

  it('a model without one of its shards is not taken for whole', async () => {
    hub.publish('ann/gpt2', 'fixtures/oracle/gpt2-sharded');
    const {path, revision} = await hub.fetch('ann/gpt2');
    await rm(join(path, 'model-00005-of-00008.safetensors'));
    const error = await errorOf(hub.fetch('ann/gpt2', offline()));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `The cache at ${join(hub.cache, 'models--ann--gpt2')} has ann/gpt2 only in part: model-00005-of-00008.safetensors is missing at commit ${revision!.slice(0, 7)}. It was not downloaded, because: HF_HUB_OFFLINE is set`,
    );
  });
});

describe('a Hub that cannot be reached', () => {
  it('is replaced by the cache, at once and with a note', async () => {
    hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    const endpoint = hub.server.endpoint;
    await hub.server.stop();
    expect(await hub.fetch('ann/gpt2', {endpoint})).toEqual(fetched);
    expect(hub.waits).toEqual([]);
    const short = fetched.revision!.slice(0, 7);
    expect(hub.notes).toEqual([
      `going on with commit ${short} of ann/gpt2 from the cache: The Hub at ${new URL(endpoint).host} cannot be reached (connection refused); check the network, and HF_ENDPOINT if it is set, then run the same command again.`,
    ]);
  });

  it.each([500, 503, 429, 401, 403, 404])('so is one that answers %i', async (status) => {
    hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    hub.server.api.trouble('info', {kind: 'answer', status});
    expect(await hub.fetch('ann/gpt2')).toEqual(fetched);
    expect(hub.notes).toEqual([
      expect.stringMatching(/^going on with commit \w{7} of ann\/gpt2 from the cache: /),
    ]);
  });

  it('or is a login page', async () => {
    hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    hub.server.api.trouble('info', {kind: 'answer', status: 200, body: Buffer.from('<html>Welcome</html>')});
    expect(await hub.fetch('ann/gpt2')).toEqual(fetched);
    expect(hub.notes).toEqual([
      expect.stringMatching(
        /from the cache: .* its answer is none of a Hub .*\(a login page may stand in between\)\.$/,
      ),
    ]);
  });

  it('but a revision that is gone from the Hub is gone', async () => {
    const commit = hub.publish('ann/gpt2');
    const {refs} = hub.server.repos.get('ann/gpt2')!;
    refs.set('v1', commit);
    await hub.fetch('ann/gpt2@v1');
    refs.delete('v1');
    expect((await errorOf(hub.fetch('ann/gpt2@v1'))).message).toContain('has no revision v1');
  });

  it('while the files of a new commit come leaves the old ones as they are, also for the next who is offline', async () => {
    hub.publish('ann/gpt2');
    const fetched = await hub.fetch('ann/gpt2');
    hub.server.addFiles('ann/gpt2', {'model.safetensors': 'new weights'});
    hub.server.storage.trouble('object', {kind: 'cut', after: 0}, 5);
    expect(await errorOf(hub.fetch('ann/gpt2'))).toBeInstanceOf(HubError);
    const env = {...hub.env, HF_HUB_OFFLINE: '1'};
    expect(await hub.fetch('ann/gpt2', {env})).toEqual(fetched);
    expect(sameBytes(join(fetched.path, 'model.safetensors'), join(GPT2, 'model.safetensors'))).toBe(true);
    expect(await readFile(join(hub.cache, 'models--ann--gpt2/refs/main'), 'utf8')).toBe(fetched.revision);
  });
});
