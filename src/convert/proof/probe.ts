import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {FileError, UnsupportedError} from '../../errors.js';
import type {Model} from '../../model/index.js';
import {Tokenizer} from '../../tokenizer/index.js';

/** What two models are asked to predict. */
export interface Probe {
  ids: number[];
  /** A short English text, or random ids where the model has no tokenizer that ztt reads. */
  kind: 'text' | 'random ids';
}

/** From the opening of Jane Austen's Pride and Prejudice (1813), in the public domain. */
const PROBE_TEXT =
  'It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want ' +
  'of a wife. However little known the feelings or views of such a man may be on his first entering a ' +
  'neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he is considered ' +
  'as the rightful property of some one or other of their daughters.';

/** The probe for a model, in the words of its own tokenizer. */
export async function probeFor(folder: string, model: Model): Promise<Probe> {
  const {vocabulary, maxPositions} = model.config.arch;
  const text = (await textIds(folder)).slice(0, maxPositions);
  if (text.length > 1 && text.every((id) => id < vocabulary)) return {ids: text, kind: 'text'};
  const random = xoroshiro128plus(0);
  const length = Math.min(64, maxPositions);
  return {ids: Array.from({length}, () => uniformInt(random, 0, vocabulary - 1)), kind: 'random ids'};
}

/** The probe text's ids; none where the folder has no tokenizer that ztt reads. */
async function textIds(folder: string): Promise<number[]> {
  const tokenizer = await Tokenizer.load(folder).catch((error: unknown) => {
    if (error instanceof FileError || error instanceof UnsupportedError) return null;
    throw error;
  });
  return tokenizer?.encode(PROBE_TEXT) ?? [];
}

/**
 * A model's logits [T, V] for the probe, at full depth.
 * @throws UnsupportedError if one is not finite
 */
export async function probeLogits(model: Model, {ids}: Probe, name: string): Promise<Float32Array> {
  const {logits} = await model.logits([ids], {threshold: 1});
  if (!logits.every(Number.isFinite)) {
    throw new UnsupportedError(`${name} predicts values that are not finite; its weights are broken.`);
  }
  return logits;
}

/** The mean over tokens of KL(softmax(p) || softmax(q)), in nats; both logits are [T, V]. */
export function meanKl(p: Float32Array, q: Float32Array, V: number): number {
  const T = p.length / V;
  let sum = 0;
  for (let token = 0; token < T; token++) {
    sum += kl(p.subarray(token * V, (token + 1) * V), q.subarray(token * V, (token + 1) * V));
  }
  return sum / T;
}

/** The mean cross-entropy of each next token, in nats; logits [T, V] of ids [T]. */
export function meanLoss(logits: Float32Array, ids: readonly number[], V: number): number {
  let sum = 0;
  for (let token = 0; token < ids.length - 1; token++) {
    const row = logits.subarray(token * V, (token + 1) * V);
    sum += logSumExp(row) - row[ids[token + 1]!]!;
  }
  return sum / (ids.length - 1);
}

function kl(a: Float32Array, b: Float32Array): number {
  const [za, zb] = [logSumExp(a), logSumExp(b)];
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += Math.exp(a[i]! - za) * (a[i]! - za - (b[i]! - zb));
  return sum;
}

function logSumExp(values: Float32Array): number {
  const max = values.reduce((m, value) => Math.max(m, value), -Infinity);
  return max + Math.log(values.reduce((sum, value) => sum + Math.exp(value - max), 0));
}
