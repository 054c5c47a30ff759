import {describe, expect, it} from 'vitest';
import {sameBytes} from '../../src/checkpoint/index.js';

/** Bytes 0, 1, 2, … in chunks of these lengths. */
async function* counted(lengths: readonly number[]): AsyncGenerator<Uint8Array> {
  let at = 0;
  for (const length of lengths) {
    yield Uint8Array.from({length}, (_, i) => at + i);
    await Promise.resolve();
    at += length;
  }
}

describe('bytes of two streams', () => {
  it.each([
    [[10], [10]],
    [[10], [3, 0, 4, 3]],
    [
      [5, 5, 0],
      [4, 1, 4, 1],
    ],
    [[], []],
    [[], [0]],
  ])('are the same in chunks of %j and of %j', async (left, right) => {
    let compared = 0;
    expect(await sameBytes(counted(left), counted(right), (bytes) => (compared += bytes))).toBe(true);
    expect(compared).toBe(left.reduce((sum, length) => sum + length, 0));
  });

  it.each([
    [[10], [9]],
    [[9], [10]],
    [[9], [9, 1]],
    [[], [1]],
  ])('differ where one has more: %j and %j', async (left, right) => {
    expect(await sameBytes(counted(left), counted(right))).toBe(false);
  });

  it('differ by one bit, wherever it is; and both streams are closed', async () => {
    for (let wrong = 0; wrong < 10; wrong++) {
      let open = 2;
      const stream = async function* (lengths: readonly number[], flipped: number) {
        let at = 0;
        try {
          for await (const chunk of counted(lengths)) {
            for (let i = 0; i < chunk.length; i++, at++) if (at === flipped) chunk[i]! ^= 0x80;
            yield chunk;
          }
        } finally {
          open -= 1;
        }
      };
      expect(await sameBytes(stream([4, 6], -1), stream([7, 3], wrong))).toBe(false);
      expect(open).toBe(0);
    }
  });

  it('is told what goes wrong in a stream', async () => {
    const broken = async function* () {
      yield* counted([3]);
      throw new Error('the disk is gone');
    };
    await expect(sameBytes(broken(), counted([10]))).rejects.toThrow('the disk is gone');
  });
});
