import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync} from 'node:fs';
import {createServer, type AddressInfo} from 'node:net';
import {join} from 'node:path';
import {beforeEach, describe, expect, it} from 'vitest';
import {FileError, HubError, InterruptedError} from '../../../src/errors.js';
import {asCacheError} from '../../../src/hub/download/cache.js';
import {CONFIG} from '../../helpers/hub-repos.js';
import type {Answer, Recorded} from '../../helpers/recording-server.js';
import {mountTmpfs} from '../../helpers/tmpfs.js';
import {FetchFixture} from '../fetch-fixture.js';
import {errorOf} from '../push-fixture.js';

const hub = new FetchFixture();
/** A file of some size, of which no two parts are alike. */
const WEIGHTS = Buffer.concat(
  Array.from({length: 20_000}, (_, i) => createHash('sha256').update(String(i)).digest()),
);
const SHA256 = createHash('sha256').update(WEIGHTS).digest('hex');
const HALF = 300_000;

beforeEach(() => {
  hub.server.addFiles('ann/gpt2', {'config.json': CONFIG, 'model.safetensors': WEIGHTS});
});

/** The requests for the weights, at the storage. */
const asked = (): Recorded[] => hub.server.storage.requests;
const blobs = (): string[] =>
  readdirSync(join(hub.cache, 'models--ann--gpt2/blobs')).filter((name) => name.startsWith(SHA256));

async function expectWhole(path: string): Promise<void> {
  expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
  expect(blobs()).toEqual([SHA256]);
  return Promise.resolve();
}

/** Downloads until a number of bytes is there, and stops. Returns how many came. */
async function stopAfter(bytes: number): Promise<number> {
  hub.server.storage.trouble('object', {kind: 'silence', after: bytes});
  const controller = new AbortController();
  let there = 0;
  const onProgress = (done: number) => {
    there = done;
    if (done >= bytes) controller.abort();
  };
  const error = await errorOf(hub.fetch('ann/gpt2', {signal: controller.signal, onProgress}));
  expect(error).toBeInstanceOf(InterruptedError);
  return there;
}

describe('a download that breaks off', () => {
  it('goes on where it was, by a range of the same file', async () => {
    hub.server.storage.trouble('object', {kind: 'cut', after: HALF});
    hub.server.storage.trouble('object', {kind: 'cut', after: 100_000});
    const {path} = await hub.fetch('ann/gpt2');
    await expectWhole(path);
    const etag = `"${SHA256.slice(0, 32)}-1"`;
    const ranges = asked().map(({headers}) => [headers.range, headers['if-range']]);
    expect(ranges).toEqual([
      [undefined, undefined],
      [`bytes=${HALF}-`, etag],
      [`bytes=${HALF + 100_000}-`, etag],
    ]);
    expect(hub.notes).toEqual([
      `model.safetensors broke off (the connection was cut); going on at ${HALF} of ${WEIGHTS.length} bytes`,
      `model.safetensors broke off (the connection was cut); going on at ${HALF + 100_000} of ${WEIGHTS.length} bytes`,
    ]);
  });

  it('signs anew for each range: an address of the storage is good for some time only', async () => {
    hub.server.storage.trouble('object', {kind: 'cut', after: HALF});
    await hub.fetch('ann/gpt2');
    const resolved = hub.server.api.requests.filter(({url}) => url.endsWith('/model.safetensors'));
    expect(resolved).toHaveLength(2);
  });

  it('goes on in another run, and hashes what was there', async () => {
    expect(await stopAfter(HALF)).toBe(HALF);
    expect(blobs()).toHaveLength(1);
    expect(blobs()[0]).toMatch(new RegExp(`^${SHA256}\\.[0-9a-f]{8}-0\\.incomplete$`));
    expect(readdirSync(join(hub.cache, 'models--ann--gpt2/snapshots'), {recursive: true})).not.toContain(
      'model.safetensors',
    );
    const told: number[] = [];
    const {path} = await hub.fetch('ann/gpt2', {onProgress: (done) => told.push(done)});
    await expectWhole(path);
    expect(asked().at(-1)!.headers.range).toBe(`bytes=${HALF}-`);
    expect(told[0]).toBe(HALF);
  });

  it('begins anew where the server sends the whole all the same', async () => {
    await stopAfter(HALF);
    hub.server.storage.trouble('object', {kind: 'answer', status: 200, body: WEIGHTS});
    await expectWhole((await hub.fetch('ann/gpt2')).path);
  });

  it('begins anew where the file is another by now', async () => {
    hub.server.storage.trouble('object', {kind: 'cut', after: HALF, headers: {etag: '"older"'}});
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(asked().map(({headers}) => [headers.range, headers['if-range']])).toEqual([
      [undefined, undefined],
      [`bytes=${HALF}-`, '"older"'],
    ]);
    expect(hub.notes).toHaveLength(1);
  });

  it('begins anew where what is there is longer than the file', async () => {
    const folder = join(hub.cache, 'models--ann--gpt2/blobs');
    mkdirSync(folder, {recursive: true});
    await stopAfter(HALF);
    writeFileSync(join(folder, blobs()[0]!), Buffer.alloc(WEIGHTS.length + 1));
    await expectWhole((await hub.fetch('ann/gpt2')).path);
  });

  it('begins anew after 416', async () => {
    await stopAfter(HALF);
    hub.server.storage.trouble('object', {kind: 'answer', status: 416});
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(asked().map(({headers}) => headers.range)).toEqual([undefined, `bytes=${HALF}-`, undefined]);
  });

  it('fetches once more if the part that was there is not of the file', async () => {
    await stopAfter(HALF);
    const left = join(hub.cache, 'models--ann--gpt2/blobs', blobs()[0]!);
    writeFileSync(left, Buffer.alloc(HALF, 7));
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(hub.notes).toEqual([
      'model.safetensors with the part that was there before has another sha256 than the Hub lists; fetching it once more',
    ]);
  });

  it('is given up after five breaks without progress, and what came is kept', async () => {
    hub.server.storage.trouble('object', {kind: 'cut', after: HALF});
    hub.server.storage.trouble('object', {kind: 'cut', after: 0}, 4);
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      'model.safetensors could not be downloaded: the connection broke 5 times (the connection was cut). What came is kept; run the same command again to go on from there.',
    );
    expect(hub.waits).toEqual([1000, 2000, 4000, 8000]);
    const {path} = await hub.fetch('ann/gpt2');
    await expectWhole(path);
    expect(asked().at(-1)!.headers.range).toBe(`bytes=${HALF}-`);
  });

  it('is told apart from a refusal by the signature of the storage', async () => {
    hub.server.storage.trouble('object', {kind: 'answer', status: 403, body: {error: 'Request has expired'}});
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error.message).toBe(
      `${new URL(hub.server.storage.origin).host}, where the Hub keeps large files, refused model.safetensors of the model ann/gpt2 (403: Request has expired); run the same command again.`,
    );
  });
});

describe('a connection that stalls', () => {
  it('in the middle of a file is given up and the file resumed', async () => {
    hub.server.storage.trouble('object', {kind: 'silence', after: HALF});
    const {path} = await hub.fetch('ann/gpt2', {stallMs: 300});
    await expectWhole(path);
    expect(asked().map(({headers}) => headers.range)).toEqual([undefined, `bytes=${HALF}-`]);
    expect(hub.notes).toEqual([
      `model.safetensors broke off (nothing came for 0.3 s); going on at ${HALF} of ${WEIGHTS.length} bytes`,
    ]);
  });

  it.each(['info', 'tree', 'resolve'])(
    'before an answer to %s is given up and asked again',
    async (route) => {
      hub.server.api.trouble(route, {kind: 'silence'});
      await expectWhole((await hub.fetch('ann/gpt2', {stallMs: 300})).path);
      expect(hub.notes).toEqual([
        expect.stringContaining('nothing came for 0.3 s; trying again in 1 s (attempt 1 of 5)'),
      ]);
    },
  );

  it('in the middle of an answer of the API is asked again', async () => {
    hub.server.api.trouble('tree', {kind: 'silence', after: 20});
    await expectWhole((await hub.fetch('ann/gpt2', {stallMs: 300})).path);
  });

  it('is none as long as bytes come, however slowly', async () => {
    hub.server.storage.trouble('object', {kind: 'drip', bytes: WEIGHTS.length / 10, everyMs: 60});
    await expectWhole((await hub.fetch('ann/gpt2', {stallMs: 400})).path);
    expect(hub.notes).toEqual([]);
  });
});

describe('bytes that are not those of the file', () => {
  const wrong = {
    kind: 'alter',
    change: (answer: Answer) => ({...answer, body: Buffer.alloc(WEIGHTS.length, 1)}),
  } as const;

  it('are discarded, and the file is fetched once more', async () => {
    hub.server.storage.trouble('object', wrong);
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(hub.notes).toEqual([
      'model.safetensors came with another sha256 than the Hub lists; fetching it once more',
    ]);
    expect(asked()).toHaveLength(2);
  });

  it('twice are an error, and nothing of them is kept', async () => {
    hub.server.storage.trouble('object', wrong, 2);
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toMatch(
      /^model\.safetensors came with another sha256 than the Hub lists, twice; it was discarded\./,
    );
    expect(blobs()).toEqual([]);
  });

  it('are noticed in a small file by what git names it', async () => {
    hub.server.api.trouble(
      'small',
      {kind: 'alter', change: (answer) => ({...answer, body: Buffer.alloc(CONFIG.length, ' ')})},
      2,
    );
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error.message).toMatch(/^config\.json came with another git-sha1 than the Hub lists, twice/);
  });
});

describe('a busy or broken Hub', () => {
  it.each(['info', 'tree', 'resolve', 'small'])(
    'is asked for %s again after 503, with growing waits',
    async (route) => {
      hub.server.api.trouble(route, {kind: 'answer', status: 503}, 2);
      await expectWhole((await hub.fetch('ann/gpt2')).path);
      expect(hub.waits).toEqual([1000, 2000]);
    },
  );

  it('is waited for as long as it asks', async () => {
    const later = new Date(Date.now() + 100_000).toUTCString();
    hub.server.api.trouble('info', {kind: 'answer', status: 429, headers: {'retry-after': '7'}});
    hub.server.api.trouble('tree', {kind: 'answer', status: 429, headers: {'retry-after': later}});
    hub.server.storage.trouble('object', {kind: 'answer', status: 503, headers: {'retry-after': '100000'}});
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(hub.waits[0]).toBe(7000);
    expect(hub.waits[1]).toBeGreaterThan(90_000);
    expect(hub.waits[1]).toBeLessThanOrEqual(100_000);
    expect(hub.waits[2]).toBe(300_000);
  });

  it('is given up after five attempts', async () => {
    hub.server.api.trouble('info', {kind: 'answer', status: 429, body: {error: 'Too many'}}, 5);
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `${new URL(hub.server.endpoint).host} limits the rate of requests (429: Too many); wait some minutes and run the same command again, or set HF_TOKEN to a token of your account, or run \`hf auth login\`: the limit is higher then.`,
    );
    expect(hub.waits).toEqual([1000, 2000, 4000, 8000]);
  });

  it('that cannot be reached is named', async () => {
    const closed = createServer();
    await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
    const {port} = closed.address() as AddressInfo;
    await new Promise((resolve) => closed.close(resolve));
    const error = await errorOf(hub.fetch('ann/gpt2', {endpoint: `http://127.0.0.1:${port}`}));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `The Hub at 127.0.0.1:${port} cannot be reached in 5 attempts (connection refused); check the network, and HF_ENDPOINT if it is set, then run the same command again.`,
    );
  });
});

describe('a stop', () => {
  it('at once ends before anything is asked', async () => {
    const error = await errorOf(hub.fetch('ann/gpt2', {signal: AbortSignal.abort()}));
    expect(error).toBeInstanceOf(InterruptedError);
    expect(hub.server.api.requests).toEqual([]);
  });

  it('in the middle says how to go on', async () => {
    hub.server.storage.trouble('object', {kind: 'silence', after: 0});
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 200);
    const error = await errorOf(hub.fetch('ann/gpt2', {signal: controller.signal}));
    expect(error).toBeInstanceOf(InterruptedError);
    expect(error.message).toBe(
      'the download of ann/gpt2 was stopped; what came is kept. Run the same command again to go on from there.',
    );
  });

  it('during a wait between attempts ends the wait', async () => {
    hub.server.api.trouble('info', {kind: 'answer', status: 503, headers: {'retry-after': '100'}}, 5);
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 100);
    const error = await errorOf(hub.fetch('ann/gpt2', {signal: controller.signal, sleep: undefined}));
    expect(error).toBeInstanceOf(InterruptedError);
  });
});

describe('the disk', () => {
  it('is asked for room before anything is downloaded', async () => {
    const big = (answer: Answer) => {
      const entries = answer.body as {path: string; lfs?: {size: number}}[];
      return {
        ...answer,
        body: entries.map((one) => (one.lfs ? {...one, lfs: {...one.lfs, size: 1e15}} : one)),
      };
    };
    hub.server.api.trouble('tree', {kind: 'alter', change: big});
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(
      /^1000000000000000 bytes are to be downloaded to .*, and the disk has room for \d+; make room, or set HF_HUB_CACHE/,
    );
    expect(asked()).toEqual([]);
  });

  it.each([
    ['ENOSPC', 'the disk is full; make room and run the same command again, which goes on from there'],
    ['EROFS', 'the file system is read-only'],
    ['EACCES', 'permission denied'],
  ])('that refuses with %s is explained', (code, words) => {
    const told = asCacheError(Object.assign(new Error(), {code}), '/cache');
    expect(told).toBeInstanceOf(FileError);
    expect((told as Error).message).toBe(
      `The cache at /cache cannot be written: ${words}. HF_HUB_CACHE names another folder.`,
    );
  });

  it('that fills up meanwhile keeps what came, and the next goes on (skips where no tmpfs can be mounted)', async (test) => {
    const disk = hub.temp.path('disk');
    const unmount = await mountTmpfs(disk, '1m');
    if (!unmount) return test.skip();
    try {
      hub.server.storage.trouble('object', {kind: 'drip', bytes: 64_000, everyMs: 30});
      const filler = join(disk, 'filler');
      const fill = (done: number) => {
        if (done > 0 && !existsSync(filler)) writeFileSync(filler, Buffer.alloc(600_000));
      };
      const env = {...hub.env, HF_HUB_CACHE: join(disk, 'hub')};
      const error = await errorOf(hub.fetch('ann/gpt2', {env, onProgress: fill}));
      expect(error).toBeInstanceOf(FileError);
      expect(error.message).toMatch(
        /^The cache at .*disk\/hub.* cannot be written: the disk is full; make room/,
      );
      rmSync(filler);
      const {path} = await hub.fetch('ann/gpt2', {env});
      expect(readFileSync(join(path, 'model.safetensors')).equals(WEIGHTS)).toBe(true);
      expect(asked().at(-1)!.headers.range).toMatch(/^bytes=\d{5,}-$/);
    } finally {
      unmount();
    }
  });

  it('with a file where the cache should be is explained', async () => {
    mkdirSync(hub.temp.path('home'));
    writeFileSync(hub.cache, 'a file');
    const error = await errorOf(hub.fetch('ann/gpt2'));
    expect(error).toBeInstanceOf(FileError);
    expect(error.message).toMatch(/cannot be written: a part of the path is no folder/);
  });

  it('that has what a killed process left serves the next', async () => {
    await stopAfter(HALF);
    const [left] = blobs();
    const dead = left!.replace(/-0\.incomplete$/, '-4194300.incomplete');
    const folder = join(hub.cache, 'models--ann--gpt2/blobs');
    renameSync(join(folder, left!), join(folder, dead));
    writeFileSync(
      join(folder, `${SHA256}.${dead.slice(65, 73)}-4194301.incomplete`),
      WEIGHTS.subarray(0, 1000),
    );
    await expectWhole((await hub.fetch('ann/gpt2')).path);
    expect(asked().at(-1)!.headers.range).toBe(`bytes=${HALF}-`);
  });
});
