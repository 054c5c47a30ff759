import {rowFlops, vanilla, type Architecture, type RowScore, type ScoreRow} from '../model/index.js';

/** What scoring rows cost. A row is one forward pass over one sequence: a choice, a passage, a window. */
export interface Cost {
  rows: number;
  /** Tokens read, over all rows: each row's but its last, which is only predicted; what rows share counts once. */
  tokens: number;
  /** Tokens predicted, over all rows. */
  scored: number;
  /** Slots run, summed over the rows; of a row whose tokens exit by themselves, their mean. */
  slots: number;
  /** Tokens read, by the slots they ran: those at full depth are there as well. */
  exitsBySlot: Map<number, number>;
  /** FLOPs of the slots run, the exit checks and the LM head: `RowScore.flops`, summed. */
  flops: number;
  /** What the source model, each of its layers once, would need for the same rows. */
  sourceFlops: number;
}

/**
 * The cost of rows that were scored together. The source computes what they share once as well, and each state's
 * logits.
 */
export function costOf(rows: readonly ScoreRow[], scores: readonly RowScore[], arch: Architecture): Cost {
  const cost = {...NOTHING, exitsBySlot: new Map<number, number>()};
  const source = vanilla(arch.layers.length);
  let states = new Set<number>();
  for (const [i, {ids, from, shared = 0}] of rows.entries()) {
    const {slots, slotsPerToken, flops} = scores[i]!;
    if (shared === 0) states = new Set();
    const before = states.size;
    // What a row does not share is after what it does, and no other row's.
    for (let state = from - 1; state < shared; state++) states.add(state);
    const scored = states.size - before + ids.length - Math.max(from, shared + 1);
    if (shared === 0) for (let state = from - 1; state < ids.length - 1; state++) states.add(state);
    const tokens = ids.length - 1 - shared;
    cost.rows++;
    cost.tokens += tokens;
    cost.scored += ids.length - from;
    cost.slots += slots;
    cost.flops += flops;
    const whole = {tokens, before: shared, slots: arch.layers.length, exited: false, scored};
    cost.sourceFlops += rowFlops(arch, source, whole);
    for (const depth of slotsPerToken.subarray(shared)) {
      cost.exitsBySlot.set(depth, (cost.exitsBySlot.get(depth) ?? 0) + 1);
    }
  }
  return cost;
}

/** The cost of several sets of rows together. */
export function addCosts(costs: readonly Cost[]): Cost {
  const sum = {...NOTHING, exitsBySlot: new Map<number, number>()};
  for (const cost of costs) {
    for (const key of Object.keys(NOTHING) as (keyof typeof NOTHING)[]) sum[key] += cost[key];
    for (const [slots, tokens] of cost.exitsBySlot) {
      sum.exitsBySlot.set(slots, (sum.exitsBySlot.get(slots) ?? 0) + tokens);
    }
  }
  return sum;
}

const NOTHING = {rows: 0, tokens: 0, scored: 0, slots: 0, flops: 0, sourceFlops: 0};

/** A cost in the words of our results. */
export interface CostSummary {
  rows: number;
  /** Tokens read. */
  tokens: number;
  /** Slots run, averaged over the rows. */
  mean_slots: number;
  /** FLOPs over tokens read. */
  flops_per_token: number;
  /** FLOPs over those of the source model for the same rows. */
  flops_ratio_to_source: number;
  /** Tokens read, by the number of slots they ran. */
  exits_by_slot: Record<string, number>;
}

/** @param cost - of at least one row */
export function summarise(cost: Cost): CostSummary {
  return {
    rows: cost.rows,
    tokens: cost.tokens,
    mean_slots: cost.slots / cost.rows,
    flops_per_token: cost.flops / cost.tokens,
    flops_ratio_to_source: cost.flops / cost.sourceFlops,
    exits_by_slot: Object.fromEntries([...cost.exitsBySlot].sort(([a], [b]) => a - b)),
  };
}
