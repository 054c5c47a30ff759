import {FormatError, UnsupportedError} from '../errors.js';

/** Bytes an element of each safetensors dtype takes. */
const ELEMENT_BYTES = {
  F64: 8,
  I64: 8,
  U64: 8,
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
} as const;

/** A dtype as a safetensors header names it. */
export type Dtype = keyof typeof ELEMENT_BYTES;

/** The dtypes a parameter may have; the others occur in buffers only. */
export type FloatDtype = 'F32' | 'F16' | 'BF16';

export const isDtype = (name: string): name is Dtype => Object.hasOwn(ELEMENT_BYTES, name);

export const isFloatDtype = (dtype: Dtype): dtype is FloatDtype =>
  dtype === 'F32' || dtype === 'F16' || dtype === 'BF16';

export const elementBytes = (dtype: Dtype): number => ELEMENT_BYTES[dtype];

/** The number of elements in a tensor of this shape (1 for a scalar). */
export const elementCount = (shape: readonly number[]): number => shape.reduce((n, size) => n * size, 1);

const word = new Uint32Array(1);
const real = new Float32Array(word.buffer);

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

/** The half nearest to a float, ties to even (IEEE 754 roundTiesToEven). */
function floatToHalf(value: number): number {
  real[0] = value;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(real[0]);
  if (Number.isNaN(magnitude)) return sign | 0x7e00;
  if (magnitude >= 65520) return sign | 0x7c00;
  if (magnitude < 2 ** -14) return sign | roundTiesToEven(magnitude * 2 ** 24);
  const exponent = ((bits >>> 23) & 255) - 127;
  const fraction = roundTiesToEven((magnitude / 2 ** exponent - 1) * 1024);
  return sign | (((exponent + 15) << 10) + fraction);
}

function roundTiesToEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
}

/** The bfloat16 nearest to a float, ties to even. */
function floatToBfloat(value: number): number {
  real[0] = value;
  const bits = word[0]!;
  if (Number.isNaN(value)) return (bits >>> 16) | 0x40;
  return ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
}

/** A view of bytes as whole elements, copied first where they are not aligned. */
export function aligned(bytes: Uint8Array, size: number): Uint8Array {
  return bytes.byteOffset % size === 0 ? bytes : bytes.slice();
}

/**
 * Little-endian bytes of a float dtype as float32. F16 and BF16 convert exactly.
 * @throws UnsupportedError for a dtype that no GPT-2 or OPT parameter has.
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
  const round = dtype === 'F16' ? floatToHalf : floatToBfloat;
  const codes = Uint16Array.from(values, round);
  return new Uint8Array(codes.buffer);
}
