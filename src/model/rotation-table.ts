import * as tf from '@tensorflow/tfjs-core';
import type {RotationTable} from '../ops/index.js';
import type {Rotation} from './architecture.js';

/** Cosines and sines that were computed: those of a pass's places serve all of its slots. */
const computed = new WeakMap<Int32Array, Map<Rotation, {cos: Float32Array; sin: Float32Array}>>();

/**
 * The cosines and sines of a rotation at these places, [T, r / 2] each. Angles are rounded to float32, as Transformers
 * has them.
 */
export function rotationTable(rotation: Rotation, places: Int32Array): RotationTable {
  const known = computed.get(places) ?? new Map<Rotation, {cos: Float32Array; sin: Float32Array}>();
  computed.set(places, known);
  const table = known.get(rotation) ?? compute(rotation, places);
  known.set(rotation, table);
  const shape: [number, number] = [places.length, rotation.frequencies.length];
  return {cos: tf.tensor2d(table.cos, shape), sin: tf.tensor2d(table.sin, shape)};
}

function compute({frequencies, factor}: Rotation, places: Int32Array) {
  const half = frequencies.length;
  const rounded = frequencies.map(Math.fround);
  const angle = (i: number) => Math.fround(places[Math.floor(i / half)]! * rounded[i % half]!);
  const each = (of: (angle: number) => number) =>
    Float32Array.from({length: places.length * half}, (_, i) => of(angle(i)) * factor);
  return {cos: each(Math.cos), sin: each(Math.sin)};
}
