import {spawn, type ChildProcess} from 'node:child_process';
import {createHash} from 'node:crypto';
import {existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync} from 'node:fs';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {beforeEach, describe, expect, it} from 'vitest';
import {PartialFile} from '../../../src/hub/download/partial-file.js';
import {CONFIG} from '../../helpers/hub-repos.js';
import {makeTempFolder} from '../../helpers/temp.js';
import {FetchFixture} from '../fetch-fixture.js';

const hub = new FetchFixture();
const CHILD = fileURLToPath(new URL('fetch-child.mjs', import.meta.url));
const SHARDS = [
  'model-00001-of-00003.safetensors',
  'model-00002-of-00003.safetensors',
  'model-00003-of-00003.safetensors',
];
const FILES: Record<string, Buffer> = {
  'config.json': CONFIG,
  'model.safetensors.index.json': Buffer.from(
    JSON.stringify({weight_map: Object.fromEntries(SHARDS.map((name, i) => [`tensor.${i}`, name]))}),
  ),
};
for (const name of SHARDS) {
  FILES[name] = Buffer.concat(
    Array.from({length: 10_000}, (_, i) => createHash('sha256').update(`${name} ${i}`).digest()),
  );
}

let commit: string;
beforeEach(() => {
  commit = hub.server.addFiles('ann/gpt2', FILES);
});

interface Child {
  process: ChildProcess;
  /** What it said, a line each. */
  lines: string[];
  ended: Promise<void>;
}

function start(): Child {
  const child = spawn(process.execPath, [CHILD, 'ann/gpt2'], {
    env: {PATH: process.env.PATH, ...hub.env},
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  child.stdout.on('data', (chunk: Buffer) => lines.push(...chunk.toString().trimEnd().split('\n')));
  const ended = new Promise<void>((resolve) => child.on('close', () => resolve()));
  return {process: child, lines, ended};
}

async function until(condition: () => boolean, child: Child): Promise<void> {
  while (!condition() && child.process.exitCode === null)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

const folder = () => join(hub.cache, 'models--ann--gpt2');

/** Everything under a final name has its whole content. */
function expectNothingHalf(): void {
  const snapshot = join(folder(), 'snapshots', commit);
  for (const name of existsSync(snapshot) ? readdirSync(snapshot) : []) {
    expect(readFileSync(join(snapshot, name)).equals(FILES[name]!), name).toBe(true);
  }
  const blobs = join(folder(), 'blobs');
  const contents = new Set(Object.values(FILES).map((content) => content.toString('latin1')));
  for (const name of existsSync(blobs) ? readdirSync(blobs) : []) {
    if (name.endsWith('.incomplete')) continue;
    expect(name).toMatch(/^([0-9a-f]{40}|[0-9a-f]{64})$/);
    expect(contents.has(readFileSync(join(blobs, name)).toString('latin1'))).toBe(true);
  }
}

function expectWhole(path: string): void {
  expect(path).toBe(join(folder(), 'snapshots', commit));
  expect(readdirSync(path).sort()).toEqual(Object.keys(FILES).sort());
  expectNothingHalf();
  expect(readdirSync(join(folder(), 'blobs')).filter((name) => name.endsWith('.incomplete'))).toEqual([]);
}

describe('a process that is killed', () => {
  // Before, between and within its requests, and while it writes.
  it.each([0, 2, 5])('after %i requests leaves nothing that is taken for whole', async (requests) => {
    hub.server.storage.trouble('object', {kind: 'drip', bytes: 32_000, everyMs: 20}, 3);
    const child = start();
    const taken = () => hub.server.api.requests.length;
    await until(() => taken() > requests, child);
    child.process.kill('SIGKILL');
    await child.ended;
    expectNothingHalf();
    expect(existsSync(join(folder(), 'refs'))).toBe(false);
    hub.server.storage.clear();
    expectWhole((await hub.fetch('ann/gpt2')).path);
  });

  it.each([1, 500_000])('after %i bytes of the weights is followed by one that goes on', async (bytes) => {
    hub.server.storage.trouble('object', {kind: 'drip', bytes: 16_000, everyMs: 10}, 3);
    const child = start();
    const done = () =>
      Math.max(0, ...child.lines.flatMap((line) => /^bytes (\d+)/.exec(line)?.[1] ?? []).map(Number));
    await until(() => done() >= bytes, child);
    child.process.kill('SIGKILL');
    await child.ended;
    expectNothingHalf();
    const there = readdirSync(join(folder(), 'blobs'))
      .filter((name) => name.endsWith('.incomplete'))
      .map((name) => statSync(join(folder(), 'blobs', name)).size)
      .filter((size) => size > 0);
    hub.server.storage.clear();
    const before = hub.server.storage.requests.length;
    const next = start();
    await next.ended;
    expectWhole(next.lines.at(-1)!.replace('path ', ''));
    const ranges = hub.server.storage.requests.slice(before).flatMap(({headers}) => headers.range ?? []);
    expect(ranges.sort()).toEqual(there.map((size) => `bytes=${size}-`).sort());
  });
});

describe('processes that fetch the same at once', () => {
  it('send for each file once, and all get it whole', async () => {
    hub.server.storage.trouble('object', {kind: 'drip', bytes: 32_000, everyMs: 50}, 3);
    const children = [start(), start(), start()];
    await Promise.all(children.map(({ended}) => ended));
    for (const {lines} of children) expectWhole(lines.at(-1)!.replace('path ', ''));
    expect(hub.server.filesSent.sort()).toEqual(Object.keys(FILES).sort());
    const waited = children.flatMap(({lines}) => lines.filter((line) => line.startsWith('note ')));
    expect(waited).toContain(`note ${SHARDS[0]} is being downloaded by another process; waiting for that`);
  });

  it('go on where one of them is killed', async () => {
    hub.server.storage.trouble('object', {kind: 'drip', bytes: 8000, everyMs: 10}, 3);
    const first = start();
    await until(() => first.lines.some((line) => line.startsWith('bytes')), first);
    const second = start();
    await until(() => second.lines.some((line) => line.startsWith('note')), second);
    first.process.kill('SIGKILL');
    hub.server.storage.clear();
    await second.ended;
    expectWhole(second.lines.at(-1)!.replace('path ', ''));
    expect(hub.server.storage.requests.slice(3).every(({headers}) => headers.range !== undefined)).toBe(true);
  });

  it('in one process wait for each other too', async () => {
    const fetched = await Promise.all([hub.fetch('ann/gpt2'), hub.fetch('ann/gpt2'), hub.fetch('ann/gpt2')]);
    for (const {path} of fetched) expectWhole(path);
    expect(hub.server.filesSent.sort()).toEqual(Object.keys(FILES).sort());
  });
});

describe('an unfinished file', () => {
  it('that ends between the look and the claim is not begun again, nor taken while it gets its name', async () => {
    const temp = await makeTempFolder();
    const turn = async (number: number) => {
      const blob = temp.path(`blob-${number}`);
      let begun = 0;
      const fetchOne = async () => {
        // As slow as a look into a cache that is far away.
        const isDone = async () => {
          const done = existsSync(blob);
          await new Promise((resolve) => setTimeout(resolve, 60 * Math.random()));
          return done;
        };
        const partial = await PartialFile.claim(blob, {isDone, onWait: () => {}});
        if (!partial) return;
        begun += 1;
        await partial.write(Buffer.from('whole'), 0);
        await partial.finish();
      };
      await Promise.all([fetchOne(), fetchOne(), fetchOne()]);
      expect(readFileSync(blob, 'utf8')).toBe('whole');
      expect(begun).toBe(1);
    };
    await Promise.all(Array.from({length: 60}, (_, number) => turn(number)));
    await temp.remove();
  });

  const claim = (blob: string, deadMs: number) =>
    PartialFile.claim(blob, {isDone: () => Promise.resolve(false), onWait: () => {}, deadMs});

  it('of a process that lives is left alone as long as it grows, and taken over once it does not', async () => {
    const temp = await makeTempFolder();
    const blob = temp.path('blob');
    const own = (await claim(blob, 100))!;
    // The parent of the test lives, and is not the one that writes.
    const other = own.path.replace(`-${process.pid}.`, `-${process.ppid}.`);
    await own.release();
    writeFileSync(other, 'some bytes');
    const beats = setInterval(() => utimesSync(other, new Date(), new Date()), 50);
    let taken = false;
    const taking = claim(blob, 1000).then((partial) => {
      taken = true;
      return partial!;
    });
    await new Promise((resolve) => setTimeout(resolve, 1500));
    expect(taken).toBe(false);
    clearInterval(beats);
    const partial = await taking;
    expect(partial.size).toBe(10);
    expect(readdirSync(temp.path())).toEqual([partial.path.split('/').at(-1)]);
    await partial.release();
    await temp.remove();
  });

  it('of Python is left alone', async () => {
    const temp = await makeTempFolder();
    mkdirSync(temp.path('blobs'));
    const blob = temp.path('blobs/blob');
    for (const name of ['blob.incomplete', 'blob.0a1b2c3d.incomplete'])
      writeFileSync(temp.path('blobs', name), 'theirs');
    const partial = (await claim(blob, 100))!;
    expect(partial.size).toBe(0);
    await partial.write(Buffer.from('ours'), 0);
    await partial.finish();
    expect(readdirSync(temp.path('blobs')).sort()).toEqual([
      'blob',
      'blob.0a1b2c3d.incomplete',
      'blob.incomplete',
    ]);
    await temp.remove();
  });
});
