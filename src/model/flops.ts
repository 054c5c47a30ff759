import type {Architecture, LinearSpec} from './architecture.js';
import {hasZeroTokens, slots, type Arrangement} from './layout.js';
import {loraTargets, type LoraConfig} from './lora.js';

// FLOPs are 2 x the multiply-adds of matrix products, and nothing else. D width, F feed-forward width,
// E embedding width, V vocabulary, n_i the causal keys of token i (i + 1).

/** What a row of tokens cost. */
export interface RowCost {
  /** Tokens in the row. */
  tokens: number;
  /** Slots that ran for it. */
  slots: number;
  /** Whether it left early: then one more slot was started for the exit check. */
  exited: boolean;
  /** Tokens whose logits were computed. */
  scored: number;
}

/** The sum of n_i over a row. */
const causalKeys = (tokens: number): number => (tokens * (tokens + 1)) / 2;

/**
 * One slot over a row: 8 D^2 + 4 D F + 4 D n_i a token, 2 D for the zero token's score, whose value costs nothing, and
 * what its LoRA matrices add.
 */
function slotFlops(arch: Architecture, {layout, lora}: Arrangement, tokens: number): number {
  const {width: D, feedForward: F} = arch;
  const zero = hasZeroTokens(layout) ? 2 * D : 0;
  const added = lora ? loraFlops(lora, loraTargets(arch, lora)) : 0;
  return tokens * (8 * D * D + 4 * D * F + zero + added) + 4 * D * causalKeys(tokens);
}

/** A slot that the exit check skipped: q, k and the scores, 4 D^2 + 2 D (n_i + 1) a token, and their LoRA. */
function exitCheckFlops(arch: Architecture, {lora}: Arrangement, tokens: number): number {
  const {width: D} = arch;
  const {qkv} = arch.block;
  // Of a fused projection the check needs q and k, two thirds of the outputs.
  const checked = 'fused' in qkv ? [qkv.fused] : [qkv.q, qkv.k];
  const maps = lora ? loraTargets(arch, lora).filter(({name}) => checked.includes(name)) : [];
  const added = lora
    ? loraFlops(
        lora,
        maps.map((map) => ({...map, outputs: (2 * D) / checked.length})),
      )
    : 0;
  return tokens * (4 * D * D + 2 * D + added) + 2 * D * causalKeys(tokens);
}

/** A token through the LoRA matrices of linear maps: 2 rank (inputs + outputs) each. */
const loraFlops = ({rank}: LoraConfig, maps: readonly LinearSpec[]): number =>
  maps.reduce((sum, {inputs, outputs}) => sum + 2 * rank * (inputs + outputs), 0);

/** The LM head, with OPT's output projection, for this many tokens. */
function headFlops(arch: Architecture, tokens: number): number {
  const {width: D, embeddingWidth: E, vocabulary: V} = arch;
  return tokens * (2 * E * V + (arch.outer.projectOut ? 2 * D * E : 0));
}

/** A whole row: the slots that ran, the exit check, the LM head where it was scored, the input projection. */
export function rowFlops(arch: Architecture, arrangement: Arrangement, row: RowCost): number {
  const project = arch.outer.projectIn ? row.tokens * 2 * arch.embeddingWidth * arch.width : 0;
  return (
    project +
    row.slots * slotFlops(arch, arrangement, row.tokens) +
    (row.exited ? exitCheckFlops(arch, arrangement, row.tokens) : 0) +
    headFlops(arch, row.scored)
  );
}

/** FLOPs a token at full depth, for a row of this length with every token scored. */
export function flopsPerToken(arch: Architecture, arrangement: Arrangement, tokens: number): number {
  const all = slots(arrangement).length;
  return rowFlops(arch, arrangement, {tokens, slots: all, exited: false, scored: tokens}) / tokens;
}
