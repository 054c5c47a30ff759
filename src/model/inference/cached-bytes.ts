import type {ModelConfig} from '../config.js';
import {slots} from '../layout.js';

/** Bytes that a cached token takes: a key and a value in float32 for each slot that ran for it, here all of them. */
export const cachedTokenBytes = ({arch, arrangement}: Pick<ModelConfig, 'arch' | 'arrangement'>): number =>
  slots(arrangement).length * 2 * arch.width * Float32Array.BYTES_PER_ELEMENT;
