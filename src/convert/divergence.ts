import {uniformInt} from 'pure-rand/distribution/uniformInt';
import {xoroshiro128plus} from 'pure-rand/generator/xoroshiro128plus';
import {exists} from '../checkpoint/index.js';
import {join} from 'node:path';
import {load, type Model} from '../model/index.js';
import {Tokenizer} from '../tokenizer/index.js';

/** How far one model's predictions are from another's. */
export interface Divergence {
  /** Mean KL(before || after) a token, in nats. */
  meanNats: number;
  tokens: number;
  /** What was predicted: a short English text, or random ids where the model has no tokenizer. */
  probe: 'text' | 'random ids';
}

/** From the opening of Jane Austen's Pride and Prejudice (1813), in the public domain. */
const PROBE_TEXT =
  'It is a truth universally acknowledged, that a single man in possession of a good fortune, must be in want ' +
  'of a wife. However little known the feelings or views of such a man may be on his first entering a ' +
  'neighbourhood, this truth is so well fixed in the minds of the surrounding families, that he is considered ' +
  'as the rightful property of some one or other of their daughters.';

/** The mean KL divergence of two checkpoints' next-token distributions over a probe, at full depth. */
export async function divergence(before: string, after: string, engine?: string): Promise<Divergence> {
  const first = await load(before, {engine});
  const {ids, probe} = await probeIds(before, first);
  const p = await logitsOf(first, ids);
  const q = await logitsOf(await load(after, {engine}), ids);
  const V = first.config.arch.vocabulary;
  let sum = 0;
  for (let token = 0; token < ids.length; token++) {
    sum += kl(p.subarray(token * V, (token + 1) * V), q.subarray(token * V, (token + 1) * V));
  }
  return {meanNats: sum / ids.length, tokens: ids.length, probe};
}

async function logitsOf(model: Model, ids: number[]): Promise<Float32Array> {
  const {logits} = await model.logits([ids], {threshold: 1});
  model.dispose();
  return logits;
}

async function probeIds(folder: string, model: Model): Promise<{ids: number[]; probe: Divergence['probe']}> {
  const {vocabulary, maxPositions} = model.config.arch;
  if (await exists(join(folder, 'tokenizer.json'))) {
    const tokenizer = await Tokenizer.load(folder);
    return {ids: tokenizer.encode(PROBE_TEXT).slice(0, maxPositions), probe: 'text'};
  }
  const random = xoroshiro128plus(0);
  const length = Math.min(64, maxPositions);
  return {ids: Array.from({length}, () => uniformInt(random, 0, vocabulary - 1)), probe: 'random ids'};
}

/** KL(softmax(a) || softmax(b)) in nats. */
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
