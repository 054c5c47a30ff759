import {FormatError, UnsupportedError} from '../../errors.js';

/** Bytes an element of each safetensors dtype takes; of the smallest, several share a byte. */
const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
  C64: 8,
  F32: 4,
  I32: 4,
  U32: 4,
  F16: 2,
  BF16: 2,
  I16: 2,
  U16: 2,
  I8: 1,
  U8: 1,
  BOOL: 1,
  F8_E4M3: 1,
  F8_E5M2: 1,
  F8_E8M0: 1,
  F8_E4M3FNUZ: 1,
  F8_E5M2FNUZ: 1,
  F6_E2M3: 0.75,
  F6_E3M2: 0.75,
  F4: 0.5,
} as const;

/** A dtype as a safetensors header names it. */
export type Dtype = keyof typeof ELEMENT_BYTES;

/** The dtypes a parameter may have; the others occur in buffers only. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

/** PyTorch's names, as configs and users write them. */
export const DTYPE_NAMES = {F32: 'float32', F16: 'float16', BF16: 'bfloat16'} as const satisfies Record<
  FloatDtype,
  string
>;
export type DtypeName = (typeof DTYPE_NAMES)[FloatDtype];

/** A dtype by PyTorch's name. */
export function dtypeNamed(name: DtypeName): FloatDtype {
  return (Object.keys(DTYPE_NAMES) as FloatDtype[]).find((dtype) => DTYPE_NAMES[dtype] === name)!;
}

export const isDtype = (name: string): name is Dtype => Object.hasOwn(ELEMENT_BYTES, name);

export const isFloatDtype = (dtype: Dtype): dtype is FloatDtype =>
  dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';

export const elementBytes = (dtype: Dtype): number => ELEMENT_BYTES[dtype];

/** The number of elements in a tensor of this shape (1 for a scalar). */
export const elementCount = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

/** An IEEE 754 half as a number, exactly. */
function halfToFloat(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

let halves: Float32Array | undefined;

/** All 65,536 halves as floats: a table makes the conversion one load an element. */
function halfTable(): Float32Array {
  halves ??= Float32Array.from({length: 65536}, (_, bits) => halfToFloat(bits));
  return halves;
}

const floats = new Float32Array(1);
const word = new Uint32Array(floats.buffer);
const SIGN = 0x8000;
/** Bits of float32 infinity; magnitudes above it are NaN. */
const INFINITY_BITS = 0x7f800000;
/** Bits of 2^-14, the smallest normal half, and of 2^16, beyond the largest. */
const HALF_NORMAL_BITS = 0x38800000;
const HALF_BEYOND_BITS = 0x47800000;
/** Moves a float32 exponent's bias (127) to a half's (15), and adds just under half of the last place kept. */
const HALF_REBIAS = ((15 - 127) << 23) + 0xfff;

/** The half nearest to the float32 of these bits, ties to even (IEEE 754 roundTiesToEven). */
function halfOfBits(bits: number): number {
  const sign = (bits >>> 16) & SIGN;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= HALF_BEYOND_BITS) return sign | (magnitude > INFINITY_BITS ? 0x7e00 : 0x7c00);
  if (magnitude >= HALF_NORMAL_BITS) {
    // A carry out of the fraction raises the exponent, up to infinity: that is rounding, too.
    return sign | ((magnitude + HALF_REBIAS + ((magnitude >>> 13) & 1)) >>> 13);
  }
  // One unit in the last place of float32 at 0.5 is 2^-24, a subnormal half's unit: the addition rounds.
  word[0] = magnitude;
  floats[0] = floats[0]! + 0.5;
  return sign | (word[0] - 0x3f000000);
}

/** The bfloat16 nearest to the float32 of these bits, ties to even. */
function bfloatOfBits(bits: number): number {
  if ((bits & 0x7fffffff) > INFINITY_BITS) return (bits >>> 16) | 0x40;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}

/** A view of bytes as whole elements, copied first where they are not aligned. */
export function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}

/**
 * Little-endian bytes of a float dtype as float32. F16 and BF16 convert exactly.
 * @throws UnsupportedError for a dtype that no parameter has.
 */
export function toFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array {
  if (!isFloatDtype(dtype)) {
    throw new UnsupportedError(`dtype ${dtype} cannot be a parameter; F32, F16 and BF16 can.`);
  }
  const size = elementBytes(dtype);
  if (bytes.byteLength % size !== 0) {
    throw new FormatError(`${bytes.byteLength} bytes are no whole number of ${dtype} elements.`);
  }
  const source = aligned(bytes, size);
  const count = source.byteLength / size;
  if (dtype === 'F32') return new Float32Array(source.buffer, source.byteOffset, count);
  const codes = new Uint16Array(source.buffer, source.byteOffset, count);
  const floats = new Float32Array(count);
  if (dtype === 'F16') {
    const table = halfTable();
    for (let i = 0; i < count; i++) floats[i] = table[codes[i]!]!;
  } else {
    const out = new Uint32Array(floats.buffer);
    for (let i = 0; i < count; i++) out[i] = codes[i]! << 16;
  }
  return floats;
}

/** Float32 values as little-endian bytes of a float dtype, rounded to nearest, ties to even. */
export function fromFloat32(values: Float32Array, dtype: FloatDtype): Uint8Array {
  if (dtype === 'F32') return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const codes = new Uint16Array(values.length);
  if (dtype === 'F16') for (let i = 0; i < codes.length; i++) codes[i] = halfOfBits(bits[i]!);
  else for (let i = 0; i < codes.length; i++) codes[i] = bfloatOfBits(bits[i]!);
  return new Uint8Array(codes.buffer);
}

/** The least magnitude that rounds to infinity: half a unit beyond the largest value. */
const ROUNDS_TO_INFINITY: Record<FloatDtype, number> = {
  F32: Infinity,
  F16: 65520,
  BF16: 2 ** 128 - 2 ** 119,
};

/** Finite values that a dtype has no finite value for: how many, and the largest magnitude among them. */
export function overflowOf(values: Float32Array, dtype: FloatDtype): {count: number; largest: number} {
  const limit = ROUNDS_TO_INFINITY[dtype];
  let [count, largest] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    const magnitude = Math.abs(values[i]!);
    if (magnitude < limit || magnitude === Infinity || Number.isNaN(magnitude)) continue;
    count += 1;
    largest = Math.max(largest, magnitude);
  }
  return {count, largest};
}
