import {attentionScale} from '../architecture.js';
import {exitRule} from '../exits/rule.js';
import type {Network} from '../network.js';
import {ExitsPass} from './exits-pass.js';
import {scoresOf, type ScoredRows} from './score.js';
import {startsOf} from './strands.js';

// Shapes: N sampled tokens of all rows, H heads, d head size.

/** What one head of a slot sees of the sampled tokens. */
export interface HeadEvidence {
  /** Its zero key as it is, [d]. */
  key: Float64Array;
  /** The queries that meet the key, [N, d]. */
  queries: Float32Array;
  /** The log-sum-exp of each token's logits with all keys but the zero key, [N]. */
  others: Float32Array;
}

/** What is known, on some rows, of one slot before which they could exit. */
export interface SlotEvidence {
  slot: number;
  /** What an exit before the slot costs each row: its mean next-token loss less that at full depth, in nats a token. */
  costs: Float64Array;
  /** For each sampled token, the index of its row, [N]. */
  rows: Int32Array;
  /** What each head sees, [H]. */
  heads: HeadEvidence[];
  /** What a query's product with a key is multiplied by. */
  scale: number;
}

/** The ends of the zero attentions that have a finite logit, as float32 rounds. */
const LEAST = 1e-38;
const MOST = 1 - 2 ** -24;

/** At which slots, and how many tokens of each row, evidence is gathered. */
export interface EvidenceOptions {
  slots: ReadonlySet<number>;
  /** Tokens of each row whose queries are kept, evenly spaced. */
  tokensPerRow: number;
}

/**
 * Runs rows at full depth and gathers, at the slots given, what exits there cost and what zero attention has to tell it
 * by. See `Model.exitEvidence`, which has checked the ids.
 */
export async function exitEvidence(
  network: Network,
  {rows, strands}: ScoredRows,
  {slots, tokensPerRow}: EvidenceOptions,
): Promise<SlotEvidence[]> {
  const rule = exitRule(network.config, {threshold: 1});
  const {heads: H} = network.config.arch;
  const starts = startsOf(strands, [...strands.keys()]);
  const sampled = strands.flatMap(({ids}, row) => evenly(ids.length, tokensPerRow).map((at) => ({row, at})));
  const places = sampled.map(({row, at}) => starts.get(row)! + at);
  const losses = new Map<number | null, Float64Array>();
  const seen = new Map<number, {queries: Float32Array; key: Float32Array; scale: number}>();
  const score = async (slot: number | null, result: Parameters<typeof scoresOf>[3]) => {
    const scores = await scoresOf(network, rows, strands, result, rule.depth);
    losses.set(
      slot,
      Float64Array.from(scores, ({logProbabilities}) => -meanOf(logProbabilities)),
    );
  };
  const pass = new ExitsPass(
    network,
    strands,
    {rule, keepZeroAttention: true},
    async (index, result, {slot, queries}) => {
      await score(index, result);
      const key = (await slot.zeroKey!.data()) as Float32Array;
      seen.set(index, {queries: await queries(places), key, scale: attentionScale(slot.layer.attention)});
    },
    slots,
  );
  const result = await pass.run();
  await score(null, result);
  result.hidden.dispose();
  const full = losses.get(null)!;
  return [...seen].map(([index, {queries, key, scale}]): SlotEvidence => {
    const d = key.length / H;
    const zero = sampled.map(({row, at}) => {
      const {slots: ran, zeroAttention} = result.depths[row]!;
      return zeroAttention[ran.indexOf(index)]!.subarray(at * H, (at + 1) * H);
    });
    const heads = Array.from({length: H}, (_, head) => {
      const own = key.subarray(head * d, (head + 1) * d);
      const seenBy = Float32Array.from({length: sampled.length * d}, (_, i) => {
        return queries[Math.floor(i / d) * H * d + head * d + (i % d)]!;
      });
      const others = Float32Array.from(sampled, (_, token) => {
        const product = own.reduce((sum, k, i) => sum + k * seenBy[token * d + i]!, 0);
        return scale * product - logit(zero[token]![head]!);
      });
      return {key: Float64Array.from(own), queries: seenBy, others};
    });
    return {
      slot: index,
      costs: losses.get(index)!.map((loss, row) => loss - full[row]!),
      rows: Int32Array.from(sampled, ({row}) => row),
      heads,
      scale,
    };
  });
}

/** log(z / (1 - z)), finite also where float32 has rounded z to 0 or 1. */
function logit(z: number): number {
  return Math.log(Math.max(z, LEAST)) - Math.log1p(-Math.min(z, MOST));
}

/** Whole numbers below `count`, evenly spaced, at most `most` of them. */
const evenly = (count: number, most: number): number[] => {
  const n = Math.min(count, most);
  return Array.from({length: n}, (_, i) => Math.floor(((i + 0.5) * count) / n));
};

const meanOf = (values: Float32Array): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length;
