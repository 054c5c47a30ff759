import type {Architecture, LinearSpec} from './architecture.js';
import {hasZeroTokens, slots, type Arrangement} from './layout.js';
import {loraTargets} from './lora.js';

// FLOPs are 2 x the multiply-adds of matrix products, and nothing else. D width, F feed-forward width,
// E embedding width, V vocabulary, n_i the causal keys of token i. The native engine counts the same (test/model/flops).

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

/** The costs of an arrangement's slots. */
class SlotCosts {
  constructor(
    private readonly arch: Architecture,
    private readonly arrangement: Arrangement,
  ) {}

  /** A whole slot: 8 D^2 + 4 D F + 4 D n_i, 2 D for the zero token's score, whose value costs nothing, and its LoRA. */
  get whole(): TokenCost {
    const {width: D, feedForward: F} = this.arch;
    const {lora} = this.arrangement;
    const added = lora ? this.lowRank(loraTargets(this.arch, lora)) : 0;
    return {fixed: 8 * D * D + 4 * D * F + this.zeroScore + added, perKey: 4 * D};
  }

  /** A slot that the exit check skipped: q, k and the scores, 4 D^2 + 2 D (n_i + 1). */
  get check(): TokenCost {
    const {width: D} = this.arch;
    return {fixed: 4 * D * D + this.zeroScore + this.lowRankOf('qk'), perKey: 2 * D};
  }

  /** What a check adds to keys and values: q and the scores, 2 D^2 + 2 D (n_i + 1). */
  get queries(): TokenCost {
    const {width: D} = this.arch;
    const added = this.lowRankOf('qkv') - this.lowRankOf('kv');
    return {fixed: 2 * D * D + this.zeroScore + added, perKey: 2 * D};
  }

  /** Keys and values of a token that has exited: 4 D^2. */
  get keysAndValues(): TokenCost {
    const {width: D} = this.arch;
    return {fixed: 4 * D * D + this.lowRankOf('kv'), perKey: 0};
  }

  private get zeroScore(): number {
    return hasZeroTokens(this.arrangement.layout) ? 2 * this.arch.width : 0;
  }

  /** The LoRA of some of q, k and v. */
  private lowRankOf(parts: 'qk' | 'kv' | 'qkv'): number {
    const {lora} = this.arrangement;
    if (!lora) return 0;
    const {qkv} = this.arch.block;
    const names = 'fused' in qkv ? [qkv.fused] : [...parts].map((part) => qkv[part as 'q' | 'k' | 'v']);
    const maps = loraTargets(this.arch, lora).filter(({name}) => names.includes(name));
    // Of a fused map they need some of the outputs.
    const outputs = (parts.length * this.arch.width) / names.length;
    return this.lowRank(maps.map((map) => ({...map, outputs})));
  }

  /** A token through the LoRA matrices of linear maps: 2 rank (inputs + outputs) each. */
  private lowRank(maps: readonly LinearSpec[]): number {
    const {rank} = this.arrangement.lora!;
    return maps.reduce((sum, {inputs, outputs}) => sum + 2 * rank * (inputs + outputs), 0);
  }
}

/** The LM head, with OPT's output projection, for this many tokens. */
function headFlops(arch: Architecture, tokens: number): number {
  const {width: D, embeddingWidth: E, vocabulary: V} = arch;
  return tokens * (2 * E * V + (arch.outer.projectOut ? 2 * D * E : 0));
}

/** A whole row: the slots that ran, the exit checks, the LM head where it was scored, the input projection. */
export function rowFlops(arch: Architecture, arrangement: Arrangement, row: RowCost): number {
  const {tokens, before = 0, scored} = row;
  const project = arch.outer.projectIn ? tokens * 2 * arch.embeddingWidth * arch.width : 0;
  return (
    project + slotsFlops(new SlotCosts(arch, arrangement), row, tokens, before) + headFlops(arch, scored)
  );
}

function slotsFlops(costs: SlotCosts, row: RowCost, tokens: number, before: number): number {
  if (!('slotsPerToken' in row)) {
    const keys = tokens * before + (tokens * (tokens + 1)) / 2;
    const times = ({fixed, perKey}: TokenCost, slots: number) => slots * (tokens * fixed + keys * perKey);
    return times(costs.whole, row.slots) + (row.exited ? times(costs.check, 1) : 0);
  }
  let sum = 0;
  for (let i = 0; i < tokens; i++) {
    const of = ({fixed, perKey}: TokenCost) => fixed + perKey * (before + i + 1);
    const ran = row.slotsPerToken[i]!;
    sum += ran * of(costs.whole);
    if (ran < row.depth) sum += of(costs.queries) + (row.depth - ran) * of(costs.keysAndValues);
  }
  return sum;
}

/** FLOPs a token at full depth, for a row of this length with every token scored. */
export function flopsPerToken(arch: Architecture, arrangement: Arrangement, tokens: number): number {
  const all = slots(arrangement).length;
  return rowFlops(arch, arrangement, {tokens, slots: all, exited: false, scored: tokens}) / tokens;
}
