import {createServer, type AddressInfo, type Socket} from 'node:net';
import {describe, expect, it} from 'vitest';
import {ZttError} from '../../../src/errors.js';
import {etagOf} from '../../helpers/hub-repos.js';
import {FetchFixture} from '../fetch-fixture.js';
import {HOSTILE} from '../hostile-answers.js';
import {errorOf} from '../push-fixture.js';

const hub = new FetchFixture();
const SHARDED = 'fixtures/oracle/gpt2-sharded';
/** They take a second or two; a machine that is busy with other tests gets more. */
const PATIENCE_MS = 20_000;

/** Nothing but whole contents of the repo, links to them, and unfinished files, all in the repo's folder of the cache. */
function expectOnlyTheCache(): void {
  const repo = 'home/hub/models--ann--gpt2';
  const commits = [...hub.server.repos.values()].flatMap((one) => one.commits);
  const whole = new Map(
    commits.flatMap(({files}) =>
      [...files.values()].map((file) => [etagOf(file), file.content.length] as const),
    ),
  );
  for (const [path, found] of Object.entries(hub.listing())) {
    expect(path.startsWith(`${repo}/`), path).toBe(true);
    const [, kind, name] =
      /^(blobs|snapshots\/[0-9a-f]{40})\/([\w.-]+)$/.exec(path.slice(repo.length + 1)) ?? [];
    expect(kind, path).toBeDefined();
    if (kind !== 'blobs') expect(found).toMatch(/^-> \.\.\/\.\.\/blobs\/[0-9a-f]{40,64}$/);
    else if (!name!.endsWith('.incomplete')) expect(found).toBe(whole.get(name!));
  }
}

describe('a hostile Hub', () => {
  it.each(HOSTILE)('$what', async ({prepare}) => {
    hub.publish('ann/gpt2', SHARDED);
    const words = prepare(hub.server);
    const began = performance.now();
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(performance.now() - began).toBeLessThan(PATIENCE_MS);
    expect(error).toBeInstanceOf(ZttError);
    expect(error.message).toMatch(words);
    expect(error.message.length).toBeLessThan(2000);
    expectOnlyTheCache();
  });

  it('is met in more than forty ways', () => expect(HOSTILE.length).toBeGreaterThan(40));
});

describe('a server that speaks no HTTP', () => {
  const answers: [string, (socket: Socket) => void][] = [
    ['closes at once', (socket) => socket.destroy()],
    ['greets', (socket) => socket.end('220 mail ESMTP\r\n')],
    ['sends noise', (socket) => socket.end(Buffer.alloc(100_000, 0x80))],
    ['breaks off its headers', (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-le')],
    [
      'sends chunks of no length',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n'),
    ],
    [
      'sends two lengths',
      (socket) => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}'),
    ],
  ];
  it.each(answers)('but %s', async (_, answer) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      socket.once('data', () => answer(socket));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const error = await errorOf(hub.fetch('ann/gpt2', {endpoint}));
    server.close();
    expect(error).toBeInstanceOf(ZttError);
    expect(error.message).toMatch(/cannot be reached|none of a Hub/);
    expect(hub.listing()).toEqual({});
  });
});
