import type {ZeroInit} from '../../model/index.js';
import {gaussian} from './gaussian.js';

/** Standard deviation of `normal` keys. */
const ZERO_INIT_STD = 0.02;

/** How zero keys begin. */
export interface ZeroKeyInit {
  kind: ZeroInit;
  /** Of `normal`. */
  seed: number;
  /** Of `aligned`. */
  beta: number;
}

/**
 * First values of the zero-token pool [S, H, d].
 *
 * `normal`: N(0, 0.02^2). `zeros`: zeros, a zero logit of 0. `aligned`: along the query bias b of each slot's
 * head, -beta sqrt(d) b / (|b|^2 + 1e-6), so that the logit, scaled by 1 / sqrt(d), is -beta where q = b.
 * @param queryBiases - each slot's query bias [H d], for `aligned`
 */
export function zeroKeys(
  {kind, seed, beta}: ZeroKeyInit,
  shape: readonly [slots: number, heads: number, size: number],
  queryBiases: readonly Float32Array[],
): Float32Array {
  const [S, H, d] = shape;
  if (kind === 'zeros') return new Float32Array(S * H * d);
  if (kind === 'normal') return Float32Array.from({length: S * H * d}, gaussian(ZERO_INIT_STD, seed));
  const keys = new Float32Array(S * H * d);
  for (const [slot, bias] of queryBiases.entries()) {
    for (let head = 0; head < H; head++) {
      const b = bias.subarray(head * d, (head + 1) * d);
      const squared = b.reduce((sum, value) => sum + value * value, 0);
      const factor = (-beta * Math.sqrt(d)) / (squared + 1e-6);
      keys.set(
        b.map((value) => factor * value),
        (slot * H + head) * d,
      );
    }
  }
  return keys;
}
