import {rowFlops, vanilla, type Architecture, type RowScore, type ScoreRow} from '../model/index.js';

/** What scoring rows cost. A row is one forward pass over one sequence: a choice, a passage, a window. */
export interface Cost {
  rows: number;
  /** Tokens read, over all rows: each row's but its last, which is only predicted. */
  tokens: number;
  /** Tokens predicted, over all rows. */
  scored: number;
  /** Slots run, summed over the rows. */
  slots: number;
  /** Rows by the slots they ran: those at full depth are there as well. */
  exitsBySlot: Map<number, number>;
  /** FLOPs of the slots run, the exit checks and the LM head: `rowFlops`, summed over the rows. */
  flops: number;
  /** What the source model, each of its layers once, would need for the same rows. */
  sourceFlops: number;
  /** Wall time of scoring. */
  seconds: number;
}

/** The cost of rows that were scored in `seconds`. */
export function costOf(
  rows: readonly ScoreRow[],
  scores: readonly RowScore[],
  arch: Architecture,
  seconds: number,
): Cost {
  const cost = {...NOTHING, exitsBySlot: new Map<number, number>(), seconds};
  const source = vanilla(arch.layers);
  for (const [i, {ids, from}] of rows.entries()) {
    const {slots, flops} = scores[i]!;
    const tokens = ids.length - 1;
    const scored = ids.length - from;
    cost.rows++;
    cost.tokens += tokens;
    cost.scored += scored;
    cost.slots += slots;
    cost.flops += flops;
    cost.sourceFlops += rowFlops(arch, source, {tokens, slots: arch.layers, exited: false, scored});
    cost.exitsBySlot.set(slots, (cost.exitsBySlot.get(slots) ?? 0) + 1);
  }
  return cost;
}

/** The cost of several sets of rows together. */
export function addCosts(costs: readonly Cost[]): Cost {
  const sum = {...NOTHING, exitsBySlot: new Map<number, number>()};
  for (const cost of costs) {
    for (const key of Object.keys(NOTHING) as (keyof typeof NOTHING)[]) sum[key] += cost[key];
    for (const [slots, rows] of cost.exitsBySlot) {
      sum.exitsBySlot.set(slots, (sum.exitsBySlot.get(slots) ?? 0) + rows);
    }
  }
  return sum;
}

const NOTHING = {rows: 0, tokens: 0, scored: 0, slots: 0, flops: 0, sourceFlops: 0, seconds: 0};

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
  /** Rows by the number of slots they ran. */
  exits_by_slot: Record<string, number>;
  seconds: number;
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
    seconds: cost.seconds,
  };
}
