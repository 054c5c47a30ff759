import {truncateSync} from 'node:fs';
import {rm} from 'node:fs/promises';
import {createServer, type AddressInfo} from 'node:net';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {FileError, HubError, InterruptedError} from '../../../src/errors.js';
import type {PushProgress} from '../../../src/hub/index.js';
import type {Answer} from '../../helpers/recording-server.js';
import {bytesOf, GPT2, PushFixture, TOKEN} from '../push-fixture.js';

const hub = new PushFixture();

describe('a push that meets trouble', () => {
  const busy = {kind: 'answer', status: 503} as const;

  it.each(['info', 'create', 'preupload', 'batch', 'commit', 'tree'])(
    'sends %s again after 503, with growing waits',
    async (route) => {
      hub.server.api.trouble(route, busy, 2);
      const dir = await hub.copyOf('gpt2');
      await hub.push(dir);
      const usual = {info: 2, tree: 2}[route] ?? 1;
      expect(hub.server.routesTaken.filter((taken) => taken === route)).toHaveLength(usual + 2);
      expect(hub.waits).toEqual([1000, 2000]);
      await hub.expectPushed(dir, GPT2);
      expect(hub.commits).toBe(2);
    },
  );

  it('sends a file again, whole, after 503 and a cut connection', async () => {
    hub.server.storage.trouble('put', busy);
    hub.server.storage.trouble('put', {kind: 'cut'});
    const dir = await hub.copyOf('gpt2');
    const told: PushProgress[] = [];
    await hub.push(dir, {onProgress: (progress) => told.push(progress)});
    await hub.expectPushed(dir, GPT2);
    const size = await bytesOf(dir, ['model.safetensors']);
    expect(hub.server.storage.requests.map(({body}) => body.byteLength)).toEqual([size, size, size]);
    const host = new URL(hub.server.storage.origin).host;
    expect(hub.notes).toEqual([
      `${host} answered 503; trying again in 1 s (attempt 1 of 5)`,
      `${host} cannot be reached: the connection was cut; trying again in 2 s (attempt 2 of 5)`,
    ]);
    const sent = told.flatMap((one) => (one.event === 'bytes' ? [one.sent] : []));
    expect(Math.max(...sent)).toBe(await bytesOf(dir, GPT2));
    expect(sent.filter((bytes) => bytes === 0)).toHaveLength(2);
  });

  it('waits as long as the Hub asks after 429', async () => {
    hub.server.api.trouble('preupload', {kind: 'answer', status: 429, headers: {'retry-after': '7'}});
    await hub.push(await hub.copyOf('gpt2'));
    expect(hub.waits).toEqual([7000]);
  });

  it('gives up after five attempts and commits nothing', async () => {
    hub.server.storage.trouble('put', busy, 5);
    const error = await hub.failure(await hub.copyOf('gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `${new URL(hub.server.storage.origin).host}, where the Hub keeps large files, refused the upload (503); push again.`,
    );
    expect(hub.server.storage.requests).toHaveLength(5);
    expect(hub.waits).toEqual([1000, 2000, 4000, 8000]);
    expect(hub.commits).toBe(1);
  });

  it('says that the token is wrong', async () => {
    const wrong = 'hf_wrongwrongwrongwrong';
    const error = await hub.failure(await hub.copyOf('gpt2'), {
      env: {HF_ENDPOINT: hub.server.endpoint, HF_TOKEN: wrong},
    });
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `${new URL(hub.server.endpoint).host} does not accept the token from HF_TOKEN (401: Invalid username or password.); make one with write access at ${hub.server.endpoint}/settings/tokens, then set HF_TOKEN or run \`hf auth login\`.`,
    );
    expect(hub.server.routesTaken).toEqual(['info']);
    expect(hub.waits).toEqual([]);
  });

  it.each([true, false])('says that the token may not write there (repo exists: %s)', async (exists) => {
    if (exists) hub.server.addRepo('bob/model');
    const error = await hub.failure(await hub.copyOf('gpt2'), {repo: 'bob/model'});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(/^The token from HF_TOKEN may not write to bob \(403: /);
    expect(hub.server.routesTaken).toEqual(exists ? ['info', 'tree', 'preupload'] : ['info', 'create']);
  });

  it.each([
    [404, 'does not find ann/model (404: as told)'],
    [409, 'ann/model was changed by another push at the same time (409: as told)'],
    [400, 'refused the push to ann/model (400: as told).'],
  ])('puts %i into words', async (status, words) => {
    hub.server.api.trouble('commit', {kind: 'answer', status, body: {error: 'as\n told'}}, 3);
    const error = await hub.failure(await hub.copyOf('gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toContain(words);
    expect(error.message).not.toContain('\n');
  });

  it('finds the refusal of one object in a good answer', async () => {
    hub.server.api.trouble('batch', {
      kind: 'answer',
      status: 200,
      body: {objects: [{oid: 'x', size: 1, error: {code: 403, message: 'storage is full'}}]},
    });
    const error = await hub.failure(await hub.copyOf('gpt2'));
    expect(error.message).toMatch(/^The token from HF_TOKEN may not write to ann \(403: storage is full\)/);
  });

  it('names the host that cannot be reached', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const {port} = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const error = await hub.failure(await hub.copyOf('gpt2'), {endpoint: `http://127.0.0.1:${port}`});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `The Hub at 127.0.0.1:${port} cannot be reached in 5 attempts (connection refused); check the network, and HF_ENDPOINT if it is set, then push again.`,
    );
  });

  it('says when an address is no Hub', async () => {
    const page: typeof fetch = async () => Promise.resolve(new Response('<html>Welcome</html>'));
    const error = await hub.failure(await hub.copyOf('gpt2'), {fetch: page});
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(/its answer is none of a Hub \(it is no JSON\); check HF_ENDPOINT/);
  });

  it('shows the token in no error, even if the server does', async () => {
    for (const [route, status] of [
      ['info', 401],
      ['commit', 403],
      ['tree', 400],
    ] as const) {
      hub.server.api.trouble(route, {kind: 'answer', status, body: {error: `bad token ${TOKEN}`}});
      const error = await hub.failure(await hub.copyOf('gpt2'));
      expect(error.message).toContain('bad token ***');
      expect(String(error.stack) + JSON.stringify(error) + String(error.cause)).not.toContain(TOKEN);
    }
  });

  it.each<[string, (content: Buffer) => Buffer | null, RegExp]>([
    [
      'in part',
      (content) => content.subarray(0, 5),
      /^The Hub lists one of 5 bytes as model\.safetensors in/,
    ],
    [
      'with another byte',
      (content) => flipped(content),
      /lists one with another sha256 as model\.safetensors/,
    ],
    ['not at all', () => null, /^The Hub lists none as model\.safetensors in ann\/model after the push of/],
  ])('notices weights that the Hub holds %s', async (_, spoil, words) => {
    spoilOnCommit('model.safetensors', spoil);
    expect((await hub.failure(await hub.copyOf('gpt2'))).message).toMatch(words);
  });

  it('notices a small file that the Hub holds with another byte', async () => {
    spoilOnCommit('config.json', flipped);
    const {message} = await hub.failure(await hub.copyOf('gpt2'));
    expect(message).toMatch(/^The Hub lists one with another git-sha1 as config\.json in ann\/model/);
  });

  it('stops when told, in the middle of an upload', async () => {
    hub.server.storage.trouble('put', {kind: 'silence'});
    const controller = new AbortController();
    const onProgress = (progress: PushProgress) => {
      if (progress.event === 'bytes' && progress.sent > 0) controller.abort();
    };
    const error = await hub.failure(await hub.copyOf('gpt2'), {signal: controller.signal, onProgress});
    expect(error).toBeInstanceOf(InterruptedError);
    expect((error as InterruptedError).exitCode).toBe(130);
    expect(hub.commits).toBe(1);
  });

  it('stops at once when told before', async () => {
    const error = await hub.failure(await hub.copyOf('gpt2'), {signal: AbortSignal.abort()});
    expect(error).toBeInstanceOf(InterruptedError);
    expect(hub.server.api.requests).toEqual([]);
  });

  it('names a file that goes away during the push', async () => {
    const dir = await hub.copyOf('gpt2');
    const weights = join(dir, 'model.safetensors');
    const remove: typeof fetch = async (input, init) => {
      if (init?.method === 'PUT') await rm(weights);
      return fetch(input, init);
    };
    const error = await hub.failure(dir, {fetch: remove});
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toBe(`${weights} cannot be read: ENOENT.`);
    expect(hub.waits).toEqual([]);
  });

  it.each(['hashing', 'uploading'])('names a file that becomes shorter while %s', async (phase) => {
    const dir = await hub.copyOf('gpt2');
    const weights = join(dir, 'model.safetensors');
    const onProgress = (progress: PushProgress) => {
      if (progress.event === 'phase' && progress.phase === phase) truncateSync(weights, 1000);
    };
    const error = await hub.failure(dir, {onProgress});
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toBe(`${weights} became shorter while it was read.`);
  });
});

const flipped = (content: Buffer): Buffer =>
  Buffer.from(content.map((byte, i) => (i === 7 ? byte ^ 1 : byte)));

/** Has the Hub keep another content than it was sent, or none. */
function spoilOnCommit(path: string, spoil: (content: Buffer) => Buffer | null): void {
  const change = (answer: Answer) => {
    const file = hub.head.files.get(path)!;
    const content = spoil(file.content);
    if (content === null) hub.head.files.delete(path);
    else hub.head.files.set(path, {...file, content});
    return answer;
  };
  hub.server.api.trouble('commit', {kind: 'alter', change});
}
