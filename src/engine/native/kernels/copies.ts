import {backend_util, slice_util, util} from '@tensorflow/tfjs-core';
import {sizeOf, type NativeBackend} from '../backend.js';
import {allFloat, type Info, type Kernel} from './register.js';

/** Axes that `Binding.copy` walks over. */
const COPY_AXES = 4;

/** One axis of a copy. */
interface Axis {
  size: number;
  /** Elements from one to the next, in the source and in the target. */
  from: number;
  to: number;
}

const stridesOf = (shape: readonly number[]): number[] =>
  shape.map((_, axis) => sizeOf(shape.slice(axis + 1)));

/** Copies a block between two tensors; false where it has too many axes. Neighbours that run on are one axis. */
function copy(backend: NativeBackend, x: Info, start: number, y: Info, to: number, axes: Axis[]): boolean {
  const merged: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const last = merged.at(-1);
    if (last && last.from === axis.from * axis.size && last.to === axis.to * axis.size) {
      merged[merged.length - 1] = {...axis, size: last.size * axis.size};
    } else {
      merged.push(axis);
    }
  }
  if (merged.length > COPY_AXES) return false;
  const one: Axis = {size: 1, from: 1, to: 1};
  const all = [...Array.from({length: COPY_AXES - merged.length}, () => one), ...merged];
  const block = [...all.map(({size}) => size), ...all.map(({from}) => from), ...all.map((axis) => axis.to)];
  backend.binding.copy({
    block: Float64Array.of(...block, start, to),
    x: backend.floats(x),
    y: backend.floats(y),
  });
  return true;
}

/** A part of x, from `begin`, as a tensor of its own. */
function slice(x: Info, begin: number[], size: number[], backend: NativeBackend): Info | null {
  const strides = stridesOf(x.shape);
  const out = backend.output(size);
  const to = stridesOf(size);
  const axes = size.map((length, axis) => ({size: length, from: strides[axis]!, to: to[axis]!}));
  const start = begin.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
  if (sizeOf(size) === 0 || copy(backend, x, start, out, 0, axes)) return out;
  backend.disposeData(out.dataId);
  return null;
}

function transpose(x: Info, perm: number[], backend: NativeBackend): Info | null {
  const strides = stridesOf(x.shape);
  const shape = perm.map((axis) => x.shape[axis]!);
  const out = backend.output(shape);
  const to = stridesOf(shape);
  const axes = perm.map((axis, i) => ({size: shape[i]!, from: strides[axis]!, to: to[i]!}));
  if (sizeOf(shape) === 0 || copy(backend, x, 0, out, 0, axes)) return out;
  backend.disposeData(out.dataId);
  return null;
}

function concat(inputs: Info[], axis: number, backend: NativeBackend): Info | null {
  if (!allFloat(...inputs)) return null;
  const shape = backend_util.computeOutShape(
    inputs.map((input) => input.shape),
    axis,
  );
  const out = backend.output(shape);
  const below = sizeOf(shape.slice(axis + 1));
  const outer = sizeOf(shape.slice(0, axis));
  let at = 0;
  for (const input of inputs) {
    const size = input.shape[axis]! * below;
    const axes = [
      {size: outer, from: size, to: shape[axis]! * below},
      {size, from: 1, to: 1},
    ];
    if (outer * size > 0) copy(backend, input, 0, out, at, axes);
    at += size;
  }
  return out;
}

function pad(x: Info, paddings: [number, number][], value: number, backend: NativeBackend): Info | null {
  const shape = x.shape.map((size, axis) => size + paddings[axis]![0] + paddings[axis]![1]);
  const out = backend.output(shape);
  const strides = stridesOf(x.shape);
  const to = stridesOf(shape);
  const start = paddings.reduce((sum, [before], axis) => sum + before * to[axis]!, 0);
  const axes = x.shape.map((size, axis) => ({size, from: strides[axis]!, to: to[axis]!}));
  backend.binding.fill({value, y: backend.floats(out)});
  if (sizeOf(x.shape) === 0 || copy(backend, x, 0, out, start, axes)) return out;
  backend.disposeData(out.dataId);
  return null;
}

function tile(x: Info, reps: number[], backend: NativeBackend): Info | null {
  const shape = x.shape.map((size, axis) => size * reps[axis]!);
  const out = backend.output(shape);
  const strides = stridesOf(x.shape);
  const to = stridesOf(shape);
  const axes = x.shape.flatMap((size, axis) => [
    {size: reps[axis]!, from: 0, to: to[axis]! * size},
    {size, from: strides[axis]!, to: to[axis]!},
  ]);
  if (sizeOf(shape) === 0 || copy(backend, x, 0, out, 0, axes)) return out;
  backend.disposeData(out.dataId);
  return null;
}

/** Kernels that only move values. Unlike tfjs's, a slice is never a view of its parent. */
export const COPIES: Record<string, Kernel> = {
  Slice: (inputs, {begin, size}, backend) => {
    const x = inputs.x!;
    if (!allFloat(x)) return null;
    const [from, sizes] = slice_util.parseSliceParams(x, begin as number[], size as number[]) as [
      number[],
      number[],
    ];
    slice_util.assertParamsValid(x, from, sizes);
    return slice(x, from, sizes, backend);
  },
  SplitV: (inputs, {numOrSizeSplits, axis}, backend) => {
    const x = inputs.x!;
    if (!allFloat(x)) return null;
    const [along] = util.parseAxisParam(axis as number, x.shape) as [number];
    // prepareSplitSize reads nothing of a tensor but its shape.
    const sizes = backend_util.prepareSplitSize(x, numOrSizeSplits as number[] | number, along);
    const shape = x.shape;
    let at = 0;
    const parts = sizes.map((length) => {
      const begin = shape.map((_, i) => (i === along ? at : 0));
      at += length;
      const size = shape.map((whole, i) => (i === along ? length : whole));
      return slice(x, begin, size, backend);
    });
    return parts.every((part) => part !== null) ? parts : null;
  },
  Transpose: (inputs, {perm}, backend) =>
    allFloat(inputs.x) ? transpose(inputs.x!, perm as number[], backend) : null,
  Concat: (inputs, {axis}, backend) => {
    const all = Object.values(inputs);
    const [along] = util.parseAxisParam(axis as number, all[0]!.shape) as [number];
    return concat(all, along, backend);
  },
  PadV2: (inputs, {paddings, constantValue}, backend) =>
    allFloat(inputs.x)
      ? pad(inputs.x!, paddings as [number, number][], constantValue as number, backend)
      : null,
  Tile: (inputs, {reps}, backend) => (allFloat(inputs.x) ? tile(inputs.x!, reps as number[], backend) : null),
};
