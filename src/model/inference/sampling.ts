import {uniformFloat64} from 'pure-rand/distribution/uniformFloat64';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {FormatError, UsageError} from '../../errors.js';
import {checkOptions} from '../../options/index.js';
import {SAMPLING_OPTIONS} from '../options.js';

export interface SamplingOptions {
  /**
   * What the logits are divided by; 0 takes the likeliest token each time. Default: 1 where one of the others is
   * given, else 0.
   */
  temperature?: number;
  /** Draws from this many of the likeliest tokens. Default: all. */
  topK?: number;
  /** Draws from the fewest of the likeliest tokens whose probabilities add up to this. Default: 1, all. */
  topP?: number;
  /** Makes draws the same again. Default: another each time. */
  seed?: number;
}

/** Chooses tokens from logits [V]. */
export interface Sampler {
  next: (logits: Float32Array) => number;
  /** What makes the draws the same again; null where none are made. */
  seed: number | null;
}

/**
 * A sampler that applies temperature, top-k and top-p in this order, as Transformers does.
 * @throws UsageError for options that cannot be
 */
export function sampler({temperature, topK, topP, seed}: SamplingOptions): Sampler {
  const drawn = [topK, topP, seed].some((option) => option !== undefined);
  const t = temperature ?? (drawn ? 1 : 0);
  checkOptions(SAMPLING_OPTIONS, {temperature: t, topK, topP, seed});
  if (t === 0 && drawn) {
    throw new UsageError('temperature 0 draws nothing; leave top-k, top-p and seed out, or temperature.');
  }
  if (t === 0) return {next: mostLikely, seed: null};
  const from = seed ?? Math.floor(Math.random() * 2 ** 31);
  const random = xoroshiro128plus(from);
  const next = (logits: Float32Array) =>
    draw(probabilities(logits, t, topK ?? Infinity, topP ?? 1), uniformFloat64(random));
  return {next, seed: from};
}

/** The index of the largest value; of equals, the lowest. */
function mostLikely(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

/**
 * What tokens are drawn by: 0 for those that are left out, the others not yet divided by their sum. Of tokens that are
 * equally likely at a cut, all are kept.
 */
export function probabilities(
  logits: Float32Array,
  temperature: number,
  topK: number,
  topP: number,
): Float64Array {
  const most = logits[mostLikely(logits)]!;
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - most) / temperature));
  if (topK < weights.length) keepFrom(weights, weights.slice().sort().at(-topK)!);
  if (topP < 1) {
    const sorted = weights.slice().sort().reverse();
    const wanted = topP * sorted.reduce((sum, weight) => sum + weight, 0);
    let sum = 0;
    keepFrom(weights, sorted.find((weight) => (sum += weight) >= wanted) ?? 0);
  }
  return weights;
}

function keepFrom(weights: Float64Array, least: number): void {
  for (const [id, weight] of weights.entries()) if (weight < least) weights[id] = 0;
}

/** The index at which a share of the weights is reached. @param share - from 0 to below 1 */
function draw(weights: Float64Array, share: number): number {
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  if (!(total < Infinity)) throw new FormatError('the model gives logits that are no numbers.');
  let left = share * total;
  let last = 0;
  for (const [id, weight] of weights.entries()) {
    if (weight === 0) continue;
    last = id;
    left -= weight;
    if (left < 0) break;
  }
  return last;
}
