import {qkvWidths, type Architecture, type Layer, type QkvPart} from './architecture.js';
import {hasZeroTokens, slots, type Arrangement} from './layout.js';
import {loraTargets} from './lora.js';
import {layerLinears, type LinearSpec} from './parameters.js';

// FLOPs are 2 x the multiply-adds of matrix products, and nothing else. D width, H heads, G key-value heads, d head size,
// E embedding width, V vocabulary, n_i the causal keys of token i, at most a window of them. The native engine counts the same (test/model/flops).

/** What a row of tokens cost. */
export type RowCost = {
  /** Tokens in the row. */
  tokens: number;
  /** Tokens before them, whose keys and values were computed with another row or cached. Default 0. */
  before?: number;
  /** States whose logits were computed. */
  scored: number;
} & (
  | {
      /** Slots that ran for it. */
      slots: number;
      /** Whether it left early: then one more slot was started for the exit check. */
      exited: boolean;
    }
  | {
      /** With exits by token: the slots that ran for each. */
      slotsPerToken: ArrayLike<number>;
      /** Slots that run for a token that does not exit: in the others it still gives keys and values. */
      depth: number;
    }
);

/** What a token costs in a slot: that much, and so much for each causal key. */
interface TokenCost {
  fixed: number;
  perKey: number;
}

/** What a slot costs a token. */
interface SlotCost {
  /** The keys that a token sees; Infinity for all before it. */
  window: number;
  /** The whole slot: its linear maps, its scores and values 4 H d n_i, the zero token's score 2 H d, and its LoRA. */
  whole: TokenCost;
  /** A slot that the exit check skipped: q, k and the scores, 2 D (H + G) d + 2 H d (n_i + 1). */
  check: TokenCost;
  /** What a check adds to keys and values: q and the scores, 2 D H d + 2 H d (n_i + 1). */
  queries: TokenCost;
  /** Keys and values of a token that has exited, 4 D G d. */
  keysAndValues: TokenCost;
}

/** The costs of slots that run a layer. */
function costOf(arch: Architecture, arrangement: Arrangement, layer: Layer): SlotCost {
  const widths = qkvWidths(arch);
  const {lora, layout} = arrangement;
  const maps = layerLinears(arch, layer);
  const loraMaps = lora ? loraTargets(maps, lora) : [];
  /** A token through the LoRA matrices of linear maps: 2 rank (inputs + outputs) each. */
  const lowRank = (some: readonly LinearSpec[]) =>
    some.reduce((sum, {inputs, outputs}) => sum + 2 * (lora?.rank ?? 0) * (inputs + outputs), 0);
  const lowRankOf = (...parts: QkvPart[]) => lowRank(qkvMaps(layer, loraMaps, parts, widths));
  const project = (...parts: QkvPart[]) =>
    parts.reduce((sum, part) => sum + 2 * arch.width * widths[part], 0);
  const zeroScore = hasZeroTokens(layout) ? 2 * widths.q : 0;
  const products = maps.reduce((sum, {inputs, outputs}) => sum + 2 * inputs * outputs, 0);
  return {
    window: layer.attention.window ?? Infinity,
    whole: {fixed: products + zeroScore + lowRank(loraMaps), perKey: 4 * widths.q},
    check: {fixed: project('q', 'k') + zeroScore + lowRankOf('q', 'k'), perKey: 2 * widths.q},
    queries: {
      fixed: project('q') + zeroScore + lowRankOf('q', 'k', 'v') - lowRankOf('k', 'v'),
      perKey: 2 * widths.q,
    },
    keysAndValues: {fixed: project('k', 'v') + lowRankOf('k', 'v'), perKey: 0},
  };
}

/** Of these maps those that give some of q, k and v, with as many outputs as those are. */
function qkvMaps(
  {attention: {qkv}}: Layer,
  maps: readonly LinearSpec[],
  parts: readonly QkvPart[],
  widths: Record<QkvPart, number>,
): LinearSpec[] {
  switch (qkv.kind) {
    case 'columns': {
      const outputs = parts.reduce((sum, part) => sum + widths[part], 0);
      return maps.filter(({name}) => name === qkv.qkv.name).map((map) => ({...map, outputs}));
    }
    case 'separate': {
      const names = parts.map((part) => qkv[part].name);
      return maps.filter(({name}) => names.includes(name));
    }
  }
}

/** The costs of all slots, in order. */
function slotCosts(arch: Architecture, arrangement: Arrangement): SlotCost[] {
  const costs = new Map<Layer, SlotCost>();
  return slots(arrangement).map(({sources}) => {
    const layer = arch.layers[sources[0]!]!;
    const cost = costs.get(layer) ?? costOf(arch, arrangement, layer);
    costs.set(layer, cost);
    return cost;
  });
}

/** The LM head, with OPT's output projection, for this many tokens. */
function headFlops({width: D, vocabulary: V, embedding, lmHead}: Architecture, tokens: number): number {
  const {width: E} = embedding;
  return tokens * (2 * E * V + (lmHead.projection === null ? 0 : 2 * D * E));
}

/** A whole row: the slots that ran, the exit checks, the LM head where it was scored, the input projection. */
export function rowFlops(arch: Architecture, arrangement: Arrangement, row: RowCost): number {
  const {width: D, embedding} = arch;
  const project = embedding.projection === null ? 0 : row.tokens * 2 * embedding.width * D;
  const costs = slotCosts(arch, arrangement);
  return project + slotsFlops(costs, arrangement.tail, row) + headFlops(arch, row.scored);
}

/** Exits, and cycles that do not run, leave out the last of the middle slots: those that ran are the first, and the tail. */
function slotsFlops(costs: readonly SlotCost[], tail: number, row: RowCost): number {
  const {tokens, before = 0} = row;
  const tailCosts = costs.slice(costs.length - tail);
  if (!('slotsPerToken' in row)) {
    const of = ({fixed, perKey}: TokenCost, {window}: SlotCost) =>
      tokens * fixed + keysSeen(tokens, before, window) * perKey;
    const left = row.slots - tail;
    const ran = [...costs.slice(0, left), ...tailCosts];
    const check = row.exited ? of(costs[left]!.check, costs[left]!) : 0;
    return ran.reduce((sum, slot) => sum + of(slot.whole, slot), check);
  }
  let sum = 0;
  for (let i = 0; i < tokens; i++) {
    const of = ({fixed, perKey}: TokenCost, {window}: SlotCost) =>
      fixed + perKey * Math.min(before + i + 1, window);
    const left = row.slotsPerToken[i]! - tail;
    for (const slot of costs.slice(0, left)) sum += of(slot.whole, slot);
    for (const slot of tailCosts) sum += of(slot.whole, slot);
    if (left < row.depth - tail) sum += of(costs[left]!.queries, costs[left]!);
    for (const slot of costs.slice(left, row.depth - tail)) sum += of(slot.keysAndValues, slot);
  }
  return sum;
}

/** The keys that tokens see together, each those before it and itself, at most a window of them. */
function keysSeen(tokens: number, before: number, window: number): number {
  const sumTo = (n: number) => (n * (n + 1)) / 2;
  const whole = Math.min(Math.max(window - before, 0), tokens);
  return whole * before + sumTo(whole) + (whole < tokens ? (tokens - whole) * window : 0);
}

/** FLOPs a token at full depth, for a row of this length with every token scored. */
export function flopsPerToken(arch: Architecture, arrangement: Arrangement, tokens: number): number {
  const all = slots(arrangement).length;
  return rowFlops(arch, arrangement, {tokens, slots: all, exited: false, scored: tokens}) / tokens;
}
