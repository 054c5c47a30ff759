import {qkvWidths} from '../architecture.js';
import type {ModelConfig} from '../config.js';
import {slots} from '../layout.js';

/** Bytes that a cached token takes: a key and a value in float32 for each slot that ran for it, here all of them. */
export function cachedTokenBytes({arch, arrangement}: Pick<ModelConfig, 'arch' | 'arrangement'>): number {
  const {k, v} = qkvWidths(arch);
  return slots(arrangement).length * (k + v) * Float32Array.BYTES_PER_ELEMENT;
}
