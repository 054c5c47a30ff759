import {createHash} from 'node:crypto';
import {afterEach, describe, expect, it, vi} from 'vitest';
import {hasAddon, requireAddon} from '../../../src/addon.js';
import * as withAddon from '../../../src/checkpoint/bytes/sha256.js';

type Hashing = typeof withAddon;

interface Addon {
  hasSha256(): boolean;
  sha256Pair(...args: unknown[]): void;
}

const addon = () => requireAddon(withAddon.HASHES) as Addon;

const BYTES = Buffer.from(Float64Array.from({length: 1000}, (_, i) => Math.sin(i)).buffer);
const expected = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/** As where the addon is not built, or the CPU has no instructions for it. */
async function withoutAddon(): Promise<Hashing> {
  vi.stubEnv('ZTT_ADDON', '/nowhere/ztt.node');
  vi.resetModules();
  return import('../../../src/checkpoint/bytes/sha256.js');
}
afterEach(() => vi.unstubAllEnvs());

const FORMS: [name: string, load: () => Promise<Hashing>][] = [
  ['as this CPU does it', () => Promise.resolve(withAddon)],
  ["as Node's crypto does it", withoutAddon],
];

describe.each(FORMS)('sha256, %s', (_, load) => {
  it('is that of any length, whole or in pieces', async () => {
    const {beginSha256} = await load();
    for (let length = 0; length < 300; length++) {
      const bytes = BYTES.subarray(1, 1 + length);
      const whole = beginSha256();
      whole.update(bytes);
      const pieces = beginSha256();
      for (let at = 0, step = 0; at < length; at += step++) pieces.update(bytes.subarray(at, at + step));
      expect([length, whole.digest(), pieces.digest()]).toEqual([length, expected(bytes), expected(bytes)]);
    }
  });

  it('is that of each of two, of which neither begins or ends a block with the other', async () => {
    const {beginSha256, updatePair} = await load();
    for (const [ahead, one, other] of [
      [0, 640, 640],
      [1, 640, 640],
      [63, 64, 65],
      [100, 0, 64],
      [5, 1000, 3],
      [64, 129, 4000],
    ] as const) {
      const [first, second] = [beginSha256(), beginSha256()];
      first.update(BYTES.subarray(0, ahead));
      for (let turn = 0; turn < 3; turn++)
        updatePair(first, BYTES.subarray(7, 7 + one), second, BYTES.subarray(9, 9 + other));
      const thrice = (bytes: Buffer) => [bytes, bytes, bytes];
      expect([first.digest(), second.digest()]).toEqual([
        expected(Buffer.concat([BYTES.subarray(0, ahead), ...thrice(BYTES.subarray(7, 7 + one))])),
        expected(Buffer.concat(thrice(BYTES.subarray(9, 9 + other)))),
      ]);
    }
  });

  it('takes memory that threads share', async () => {
    const {beginSha256} = await load();
    const shared = new Uint8Array(new SharedArrayBuffer(BYTES.length));
    shared.set(BYTES);
    const hash = beginSha256();
    hash.update(shared.subarray(3));
    expect(hash.digest()).toBe(expected(BYTES.subarray(3)));
  });
});

it('is in pairs only with the addon', async () => {
  expect((await withoutAddon()).hashesInPairs()).toBe(false);
  expect(withAddon.hashesInPairs()).toBe(hasAddon() && addon().hasSha256());
});

const HINT = withAddon.hashesInPairs()
  ? ''
  : ' (skipped: no addon, or a CPU without instructions for sha256)';
describe.skipIf(HINT)(`the addon's pair${HINT}`, () => {
  const state = () => new Int32Array(8);
  it.each<[string, unknown[], RegExp]>([
    [
      'a part of a block',
      [state(), new Uint8Array(63), state(), new Uint8Array(0)],
      /blocks: no whole number/,
    ],
    [
      'another part',
      [state(), new Uint8Array(64), state(), new Uint8Array(1)],
      /otherBlocks: no whole number/,
    ],
    ['a short state', [new Int32Array(7), new Uint8Array(64), state(), new Uint8Array(0)], /state: an array/],
    ['other words', [new Float32Array(8), new Uint8Array(64), state(), new Uint8Array(0)], /state: not a/],
    ['other bytes', [state(), new Int8Array(64), state(), new Uint8Array(0)], /blocks: not a/],
    ['no arrays', [null, null, null, null], /: not a/],
    ['too little', [state()], /another number of arguments/],
  ])('refuses %s', (_, args, message) => {
    expect(() => addon().sha256Pair(...args)).toThrow(message);
  });

  it('refuses one hash twice', () => {
    const one = state();
    const call = () => addon().sha256Pair(one, new Uint8Array(64), one, new Uint8Array(64));
    expect(call).toThrow(/otherState: the same hash twice/);
  });
});
