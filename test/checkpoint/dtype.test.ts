import {describe, expect, it} from 'vitest';
import {fromFloat32, toFloat32} from '../../src/checkpoint/index.js';

const codes = Uint16Array.from({length: 65536}, (_, code) => code);

/** Bits of IEEE 754 values that are easy to get wrong: from the definition of the formats. */
const HALVES: [number, number][] = [
  [1, 0x3c00],
  [-2, 0xc000],
  [65504, 0x7bff],
  [65520, 0x7c00],
  [1e9, 0x7c00],
  [2 ** -24, 0x0001],
  [2 ** -25, 0x0000],
  [1.5 * 2 ** -24, 0x0002],
  [2 ** -14, 0x0400],
  [1 + 2 ** -11, 0x3c00],
  [1 + 3 * 2 ** -11, 0x3c02],
  [-0, 0x8000],
];
const BFLOATS: [number, number][] = [
  [1, 0x3f80],
  [1 + 2 ** -8, 0x3f80],
  [1 + 3 * 2 ** -8, 0x3f82],
  [1 + 2 ** -8 + 2 ** -16, 0x3f81],
  [-Infinity, 0xff80],
  [3.4e38, 0x7f80],
];

describe.each(['F16', 'BF16'] as const)('%s', (dtype) => {
  it('converts to float32 and back without loss, every value', () => {
    const floats = toFloat32(new Uint8Array(codes.buffer), dtype);
    const back = new Uint16Array(fromFloat32(floats, dtype).buffer);
    for (const code of codes) {
      if (Number.isNaN(floats[code]))
        expect(Number.isNaN(toFloat32(new Uint8Array(back.buffer, 2 * code, 2), dtype)[0])).toBe(true);
      else if (back[code] !== code) throw new Error(`${code} came back as ${back[code]}`);
    }
  });

  it('rounds to nearest, ties to even', () => {
    for (const [value, code] of dtype === 'F16' ? HALVES : BFLOATS) {
      expect([value, new Uint16Array(fromFloat32(Float32Array.of(value), dtype).buffer)[0]]).toEqual([
        value,
        code,
      ]);
    }
  });
});

it('reads bytes that are not aligned', () => {
  const bytes = new Uint8Array([9, 0, 0, 128, 63, 9]);
  expect([...toFloat32(bytes.subarray(1, 5), 'F32')]).toEqual([1]);
});

it('refuses dtypes that no parameter has', () => {
  expect(() => toFloat32(new Uint8Array(8), 'I64')).toThrow(/dtype I64 cannot be a parameter/);
});
