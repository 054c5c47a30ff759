import {createHash} from 'node:crypto';
import {readdirSync, readFileSync} from 'node:fs';
import {join} from 'node:path';
import {describe, expect, it} from 'vitest';
import {Checkpoint, type ByteFile, type WeightFiles} from '../../../src/checkpoint/index.js';
import {FormatError, HubError} from '../../../src/errors.js';
import {openModel} from '../../../src/hub/index.js';
import {CONFIG} from '../../helpers/hub-repos.js';
import {FetchFixture, GPT2, TOKEN} from '../fetch-fixture.js';
import {errorOf} from '../push-fixture.js';

const hub = new FetchFixture();
const LARGE = Buffer.concat(
  Array.from({length: 100_000}, (_, i) => createHash('sha256').update(String(i)).digest()),
);

/** Bytes of weights that the storage was asked for. */
const asked = (): number[] =>
  hub.server.storage.requests.map(({headers}) => {
    const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
    return Number(to) + 1 - Number(from);
  });

/** A repo's file of some content, opened remotely. */
async function openLarge(options = {}): Promise<ByteFile> {
  hub.server.addFiles('ann/large', {'config.json': CONFIG, 'model.safetensors': LARGE});
  const {files} = await openModel('ann/large', {...hub.reach, ...options});
  return (files as WeightFiles).open('model.safetensors');
}

describe('openModel', () => {
  it.each(['gpt2', 'gpt2-sharded', 'opt-bin'])('reads the tensors of %s where they are', async (name) => {
    const folder = join('fixtures/oracle', name);
    const commit = hub.publish('ann/model', folder);
    const opened = await openModel('ann/model', hub.reach);
    expect(opened).toMatchObject({name: 'ann/model', revision: commit});
    const [remote, local] = await Promise.all([Checkpoint.open(opened.files), Checkpoint.open(folder)]);
    expect(remote.tensors).toEqual(local.tensors);
    const first = [...local.tensors.keys()][3]!;
    expect(await remote.readFloat32(first)).toEqual(await local.readFloat32(first));
    expect(remote.folder).toBe((opened.files as WeightFiles).folder);
    expect(readFileSync(join(remote.folder, 'config.json'))).toEqual(
      readFileSync(join(folder, 'config.json')),
    );
    await Promise.all([remote.close(), local.close()]);
    const weights = readdirSync(remote.folder).filter((file) => /\.(safetensors|bin)$/.test(file));
    expect(weights).toEqual([]);
  });

  it('reads weights that are in the cache from there', async () => {
    hub.publish('ann/gpt2');
    await hub.fetch('ann/gpt2');
    const sent = hub.server.storage.requests.length;
    for (const env of [hub.env, {...hub.env, HF_HUB_OFFLINE: '1'}]) {
      const {files} = await openModel('ann/gpt2', {...hub.reach, env});
      const checkpoint = await Checkpoint.open(files);
      expect(checkpoint.tensors.size).toBeGreaterThan(10);
      await checkpoint.close();
    }
    expect(hub.server.storage.requests).toHaveLength(sent);
  });

  it('hands a local path back', async () => {
    expect(await openModel(GPT2, hub.reach)).toEqual({files: GPT2, name: GPT2, revision: null});
    expect(hub.server.api.requests).toEqual([]);
  });
});

describe('a remote file', () => {
  it('gives exactly the bytes asked for, and asks for few more', async () => {
    const file = await openLarge();
    expect(file.size).toBe(LARGE.length);
    expect(file.path).toBe('ann/large/model.safetensors');
    const ranges = [
      [0, 8],
      [8, 1000],
      [LARGE.length - 22, 22],
      [LARGE.length - 5000, 5000],
      [1_000_000, 0],
      [1_234_567, 1_000_000],
      [0, LARGE.length],
    ] as const;
    for (const [offset, length] of ranges) {
      expect((await file.read(offset, length)).equals(LARGE.subarray(offset, offset + length))).toBe(true);
    }
    expect(asked()).toEqual([256 << 10, 256 << 10, 1_000_000, LARGE.length]);
    await file.close();
  });

  it('streams a range in chunks', async () => {
    const file = await openLarge();
    const parts: Uint8Array[] = [];
    for await (const chunk of file.chunks(1, LARGE.length - 2)) parts.push(chunk);
    expect(Buffer.concat(parts).equals(LARGE.subarray(1, -1))).toBe(true);
  });

  it('refuses ranges that it has not, and more than fits', async () => {
    const file = await openLarge();
    for (const [offset, length] of [
      [-1, 5],
      [0, LARGE.length + 1],
      [LARGE.length, 1],
      [0.5, 1],
      [0, NaN],
    ] as const) {
      expect(await errorOf(file.read(offset, length))).toBeInstanceOf(FormatError);
    }
    expect(asked()).toEqual([]);
  });

  it('sends the token to the endpoint alone', async () => {
    hub.server.addFiles('ann/large', {'config.json': CONFIG, 'model.safetensors': LARGE});
    hub.server.repos.get('ann/large')!.private = true;
    const file = await openLarge({token: TOKEN});
    await file.read(0, 8);
    expect(hub.server.storage.requests[0]!.headers.authorization).toBeUndefined();
  });

  it('is asked again after a break, a stall and 503', async () => {
    const file = await openLarge({stallMs: 300});
    hub.server.storage.trouble('object', {kind: 'cut', after: 1000});
    hub.server.storage.trouble('object', {kind: 'silence', after: 1000});
    hub.server.storage.trouble('object', {kind: 'answer', status: 503});
    expect((await file.read(500_000, 400_000)).equals(LARGE.subarray(500_000, 900_000))).toBe(true);
  });

  it('of a server without ranges is read near its start, and not far from it', async () => {
    const file = await openLarge();
    const whole = {kind: 'answer', status: 200, body: LARGE} as const;
    hub.server.storage.trouble('object', whole, 3);
    expect((await file.read(10, 3)).equals(LARGE.subarray(10, 13))).toBe(true);
    expect((await file.read(300_000, 300_000)).equals(LARGE.subarray(300_000, 600_000))).toBe(true);
    hub.server.storage.clear();
    hub.server.storage.trouble('object', {kind: 'endless'});
    const far = hub.server.addFiles('ann/far', {
      'config.json': CONFIG,
      'model.safetensors': Buffer.alloc(40 << 20),
    });
    expect(far).toHaveLength(40);
    const {files} = await openModel('ann/far', hub.reach);
    const error = await errorOf((await (files as WeightFiles).open('model.safetensors')).read(30 << 20, 8));
    expect(error).toBeInstanceOf(HubError);
    expect(error.message).toBe(
      `${new URL(hub.server.endpoint).host} was asked for bytes=31457280-31719423 of ann/far/model.safetensors, and knows no ranges; download the model to read it.`,
    );
  });

  it('with an answer of another range is an error', async () => {
    const file = await openLarge();
    hub.server.storage.trouble('object', {
      kind: 'answer',
      status: 206,
      body: Buffer.alloc(8),
      headers: {'content-range': 'bytes 100-107/200'},
    });
    expect((await errorOf(file.read(0, 8))).message).toMatch(
      /was asked for bytes=0-262143 .* and answers bytes 100-107\/200;/,
    );
  });

  it('that the Hub refuses is explained', async () => {
    const file = await openLarge();
    hub.server.repos.get('ann/large')!.gated = 'asked';
    expect((await errorOf(file.read(0, 8))).message).toContain(
      'gives out the model ann/large only to who asked for it',
    );
  });
});
