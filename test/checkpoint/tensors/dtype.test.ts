import {describe, expect, it} from 'vitest';
import {fromFloat32, overflowOf, toFloat32} from '../../../src/checkpoint/index.js';

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

describe('rounding to F16 and BF16', () => {
  /** All finite, non-negative values of a dtype, ascending; value i has code i. */
  const finite = (dtype: 'F16' | 'BF16') =>
    toFloat32(new Uint8Array(codes.buffer), dtype)
      .filter(Number.isFinite)
      .slice(0, dtype === 'F16' ? 0x7c00 : 0x7f80);

  it.each(['F16', 'BF16'] as const)(
    '%s: half way between any two values the even one is nearest',
    (dtype) => {
      const values = finite(dtype);
      const below: number[] = [];
      const halfWay = Float32Array.from({length: values.length - 1}, (_, i) => {
        // Exact in float32, which has more digits than both.
        return values[i]! / 2 + values[i + 1]! / 2;
      });
      const word = new Uint32Array(halfWay.slice().buffer);
      for (let i = 0; i < halfWay.length; i++) below.push(i % 2 === 0 ? i : i + 1);
      const code = (array: Float32Array) => new Uint16Array(fromFloat32(array, dtype).buffer);
      expect(code(halfWay)).toEqual(Uint16Array.from(below));
      const next = (by: number) => new Float32Array(word.map((bits) => bits + by).buffer);
      expect(code(next(1))).toEqual(Uint16Array.from(halfWay, (_, i) => i + 1));
      expect(code(next(-1)).slice(1)).toEqual(Uint16Array.from(halfWay, (_, i) => i).slice(1));
    },
  );
});

describe('overflowOf', () => {
  it('counts finite values that round to infinity, and nothing else', () => {
    const values = Float32Array.of(65519.99, -65520, 1e5, Infinity, -Infinity, NaN, 0);
    expect(overflowOf(values, 'F16')).toEqual({count: 2, largest: 1e5});
    for (const [i, value] of values.entries()) {
      const back = toFloat32(fromFloat32(values, 'F16'), 'F16')[i]!;
      expect(Number.isFinite(value) && !Number.isFinite(back)).toBe(
        overflowOf(values.subarray(i, i + 1), 'F16').count > 0,
      );
    }
    const large = Float32Array.of(3.3895e38, 3.3961e38, 3.3962e38, -3.4e38);
    expect(overflowOf(large, 'BF16')).toEqual({count: 2, largest: Math.fround(3.4e38)});
    expect([...toFloat32(fromFloat32(large, 'BF16'), 'BF16')].map(Number.isFinite)).toEqual([
      true,
      true,
      false,
      false,
    ]);
    expect(overflowOf(large, 'F32').count).toBe(0);
  });
});

it('reads bytes that are not aligned', () => {
  const bytes = new Uint8Array([9, 0, 0, 128, 63, 9]);
  expect([...toFloat32(bytes.subarray(1, 5), 'F32')]).toEqual([1]);
});

it('refuses dtypes that no parameter has', () => {
  expect(() => toFloat32(new Uint8Array(8), 'I64')).toThrow(/dtype I64 cannot be a parameter/);
});
